import os
import signal
import threading
import time

import pytest

from testbeam.errors import NotReady, StackError
from testbeam.kit.probing import kernel_state
from testbeam.kit.spec import Service
from testbeam.kit.stack import Stack
from testbeam.kit.state import State
from tests.integration.faults.breakable import asked, client, echo, faults_of, state_of
from tests.integration.kit.runners import poisoned, until
from tests.integration.kit.small_services import is_alive, pids_of, stubborn

pytestmark = pytest.mark.usefixtures("leaves_nothing")


def test_a_paused_service_answers_nobody_until_the_end_of_the_block_and_loses_nothing() -> None:
    with Stack(echo()).run() as run, client(run["echo"], "tcp") as one:
        with run["echo"].paused():
            assert state_of(run["echo"]) is State.PAUSED
            assert kernel_state(run["echo"].pid or 0) == "T"
            one.sendall(b"abc")
            one.settimeout(0.2)
            with pytest.raises(TimeoutError):
                one.recv(3)
        one.settimeout(60)
        assert one.recv(3) == b"abc"
        assert state_of(run["echo"]) is State.READY


def test_all_that_descends_from_a_service_is_paused_with_it() -> None:
    with Stack(stubborn("stubborn", stop_timeout_s=0.1)).run() as run:
        pids = pids_of(run["stubborn"].folder)
        with run["stubborn"].paused():
            assert [kernel_state(pid) for pid in pids] == ["T"] * 3
        assert "T" not in [kernel_state(pid) for pid in pids]


def test_a_pause_ends_after_its_longest_time_even_within_its_block() -> None:
    with Stack(echo()).run() as run, client(run["echo"], "tcp") as one, run["echo"].paused(0.3):
        started_s = time.monotonic()
        assert asked(one) == b"x"
        assert 0.15 < time.monotonic() - started_s < 1.5
        until(lambda: faults_of(run.journal.events) == [("begin", "paused"), ("end", "paused")], 60)
        assert state_of(run["echo"]) is State.READY
        why = [event.data.get("why") for event in run.journal.events if event.kind == "fault"]
        assert why == [None, "0.3 s are over"]


def test_pauses_of_one_service_may_nest_and_cross() -> None:
    with Stack(echo()).run() as run:
        first, second, pid = run["echo"].paused(), run["echo"].paused(), run["echo"].pid or 0
        first.begin()
        second.begin()
        first.end()
        assert (run["echo"].state, kernel_state(pid)) == (State.PAUSED, "T")
        second.end()
        assert state_of(run["echo"]) is State.READY
        assert kernel_state(pid) != "T"


def test_an_error_within_the_block_is_the_one_that_is_raised_and_the_service_goes_on() -> None:
    with Stack(echo()).run() as run:
        with pytest.raises(ZeroDivisionError), run["echo"].paused():
            raise ZeroDivisionError
        assert kernel_state(run["echo"].pid or 0) != "T"


def test_a_pause_by_hand_is_not_ended_by_a_block_within_it() -> None:
    with Stack(echo()).run() as run:
        run["echo"].pause()
        with run["echo"].paused():
            pass
        assert state_of(run["echo"]) is State.PAUSED
        run["echo"].resume()


def test_a_service_that_is_restarted_within_its_pause_is_paused_no_more() -> None:
    with Stack(echo()).run() as run:
        with run["echo"].paused():
            run["echo"].restart()
            with client(run["echo"], "tcp") as one:
                assert asked(one) == b"x"
        assert state_of(run["echo"]) is State.READY


def test_a_service_that_crashes_within_its_pause_poisons_the_run_and_the_block_ends_all_the_same() -> None:
    with poisoned(Stack(echo()), "ended by SIGKILL") as run, run["echo"].paused():
        os.kill(run["echo"].pid or 0, signal.SIGKILL)
        until(lambda: run["echo"].state is State.CRASHED, 60)


def test_a_run_that_ends_within_a_pause_leaves_no_stopped_process() -> None:
    run = Stack(echo()).run()
    run.start()
    fault, pid = run["echo"].paused().begin(), run["echo"].pid or 0
    run.stop()

    assert not is_alive(pid)
    assert run["echo"].exit_code == -signal.SIGTERM
    assert faults_of(run.journal.events) == [("begin", "paused"), ("end", "paused")]
    fault.end()  # nothing is left to be done
    with pytest.raises(StackError, match="service 'echo' is being stopped; nothing can be broken any more"):
        run["echo"].paused().begin()


def test_a_killed_service_is_gone_within_the_block_and_back_after_it() -> None:
    with Stack(echo()).run() as run:
        pid = run["echo"].pid or 0
        with run["echo"].killed():
            assert not is_alive(pid)
            assert state_of(run["echo"]) is State.STOPPED
            with pytest.raises(ConnectionRefusedError), client(run["echo"], "tcp"):
                pytest.fail("nobody listens")
        assert run["echo"].pid != pid
        with client(run["echo"], "tcp") as one:
            assert asked(one) == b"x"
        run.check()


def test_a_service_that_is_killed_twice_comes_back_once_when_the_last_block_ends() -> None:
    with Stack(echo()).run() as run:
        first, second = run["echo"].killed(), run["echo"].killed()
        first.begin()
        second.begin()
        first.end()
        assert state_of(run["echo"]) is State.STOPPED
        second.end()
        assert state_of(run["echo"]) is State.READY
        assert [event.kind for event in run.journal.events].count("spawned") == 2


def test_a_service_that_does_not_come_back_is_told_of_by_the_end_of_the_block() -> None:
    once = Service("once", command=("sh", "-c", "test -e gone && exit 3; echo $$$$ > gone; exec sleep 1000"))
    with Stack(once.configured(ready=_Settled(), ready_timeout_s=60)).run() as run:
        with pytest.raises((NotReady, StackError), match="service 'once' exited with code 3"), run["once"].killed():
            pass
        assert state_of(run["once"]) is State.FAILED
        run.check()  # nothing is poisoned: whoever wanted it started was told


class _Settled:
    def check(self, service: object) -> object:
        from testbeam.kit.spec import ProbeResult

        file = service.folder / "gone"  # type: ignore[attr-defined]
        return ProbeResult(ready=file.exists() and file.read_text().strip() == str(service.pid), detail="")  # type: ignore[attr-defined]


def test_a_run_that_ends_while_a_service_is_killed_does_not_start_it_again() -> None:
    run = Stack(echo()).run()
    run.start()
    run["echo"].killed().begin()
    run.stop()

    assert [event.kind for event in run.journal.events].count("spawned") == 1


def test_what_has_no_process_can_not_be_paused_or_killed() -> None:
    external = Service("theirs", external=True, endpoints={"tcp": "127.0.0.1:9"})
    with Stack(echo(), external).run() as run:
        for fault in (run["theirs"].paused(), run["theirs"].killed(), run["theirs"].slow_consumer(), run["theirs"].disk_full()):
            with pytest.raises(StackError, match=f"{fault.kind}: service 'theirs' runs elsewhere; only a process of this run"):
                fault.begin()
        run["echo"].stop()
        for fault in (run["echo"].paused(), run["echo"].killed()):
            with pytest.raises(StackError, match=f"{fault.kind}: service 'echo' is stopped and was ended by SIGTERM; start it first"):
                fault.begin()
        assert run.faults.active == ()
        assert faults_of(run.journal.events) == []


def test_a_fault_begins_once() -> None:
    with Stack(echo()).run() as run:
        fault = run["echo"].paused()
        with fault:
            pass
        with pytest.raises(StackError, match=r"<fault paused\(longest_s=60.0\) of echo> was begun before"):
            fault.begin()


def test_a_service_that_leaves_the_run_takes_its_faults_with_it_and_may_come_back() -> None:
    with Stack(echo()).run() as run:
        for _ in range(2):
            with run.add(echo()) as second:
                second.paused().begin()
                assert second.name == "echo-2"
            assert run.faults.active == ()
        assert faults_of(run.journal.events) == [("begin", "paused"), ("end", "paused")] * 2


def test_faults_of_different_services_are_begun_and_ended_from_several_threads() -> None:
    with Stack(*(echo(f"echo{number}") for number in range(3))).run() as run:

        def suffer(name: str) -> None:
            for _ in range(5):
                with run[name].paused(), run[name].paused():
                    pass
                with run[name].killed():
                    pass

        threads = [threading.Thread(target=suffer, args=(name,)) for name in run]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert {run[name].state for name in run} == {State.READY}
        assert run.faults.active == ()
        begun = faults_of(run.journal.events)
        assert (len(begun), begun.count(("begin", "paused")), begun.count(("end", "killed"))) == (90, 30, 15)
