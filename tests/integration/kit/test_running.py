import os
import shutil
import signal
import threading
from pathlib import Path

import pytest

from testbeam.errors import ServiceDied, StackError
from testbeam.kit.handle import Handle
from testbeam.kit.logs import log_slice
from testbeam.kit.probes.listening import PortListens
from testbeam.kit.probes.log_line import LogLine
from testbeam.kit.probing import kernel_state
from testbeam.kit.spec import Port, Service
from testbeam.kit.stack import Stack
from testbeam.kit.state import State
from tests.integration.kit.runners import poisoned, until
from tests.integration.kit.small_services import PYTHON, is_alive, listener, pids_of, python, sleeper

TALKS = """
import signal, sys, time
signal.signal(signal.SIGUSR1, lambda *_: print("spoken to", flush=True))
print("out", flush=True)
print("err", file=sys.stderr, flush=True)
while True:
    time.sleep(1000)
"""


# Its descendant listens on, even where it is killed itself.
LEAVES_ONE = """
import os, socket, sys, time
if os.fork() == 0:
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((sys.argv[1], int(sys.argv[2])))
    server.listen()
    open("pids", "a").write(f"{os.getpid()}\\n")
time.sleep(1000)
"""


def crash(handle: Handle) -> None:
    """Have a service end unexpectedly."""
    os.kill(handle.pid or 0, signal.SIGKILL)


def test_a_crash_poisons_the_run_and_is_told_at_once() -> None:
    told = threading.Event()
    crashed: list[Handle] = []

    def tell(handle: Handle) -> None:
        crashed.append(handle)
        told.set()

    with poisoned(Stack(sleeper("one"), sleeper("two")), "service 'one' was ended by SIGKILL", on_crash=tell) as run:
        run.check()
        crash(run["one"])
        assert told.wait(0.5)
        assert crashed == [run["one"]]
        assert run["one"].state is State.CRASHED
        assert run["two"].state is State.READY
        with pytest.raises(ServiceDied, match="although it should be running"):
            run.check()
        with pytest.raises(ServiceDied):
            run["one"].check()
        run["two"].check()


def test_a_crash_keeps_the_folder_and_a_clean_run_removes_it() -> None:
    with Stack(sleeper("one")).run() as clean:
        assert clean.folder.exists()
    with poisoned(Stack(sleeper("one")), "SIGKILL") as crashed:
        crash(crashed["one"])
        until(lambda: bool(crashed.crashed), 60)

    assert not clean.folder.exists()
    assert (crashed.folder / "log" / "one.log").exists()


def test_an_exit_that_is_expected_poisons_nothing() -> None:
    with Stack(sleeper("one")).run() as run:
        with run["one"].expect_exit() as one:
            crash(one)
            assert one.wait_exit(5) == -signal.SIGKILL
            until(lambda: one.state is State.STOPPED, 60)
        one.start()
        assert one.state is State.READY
        run.check()


def test_a_paused_service_is_stopped_by_the_kernel_until_it_is_resumed() -> None:
    with Stack(sleeper("one")).run() as run:
        one = run["one"]
        one.pause()
        assert (one.state, kernel_state(one.pid or 0)) == (State.PAUSED, "T")
        one.resume()
        until(lambda: (one.state, kernel_state(one.pid or 0)) == (State.READY, "S"), 60)
        with pytest.raises(StackError, match="is ready and can't become ready"):
            one.resume()


def test_a_paused_service_is_stopped_in_order() -> None:
    with Stack(listener("one", stop_timeout_s=60)).run() as run:
        run["one"].pause()
        pid = run["one"].pid or 0

    assert not is_alive(pid)
    assert run["one"].exit_code == -signal.SIGTERM


def test_a_killed_service_starts_again_on_the_same_ports_and_folder() -> None:
    with Stack(listener("one", own_address=True)).run() as run:
        one = run["one"]
        before = (one.pid, one.endpoints["tcp"], one.folder)
        one.kill()
        assert (one.state, one.exit_code, one.is_running()) == (State.STOPPED, -signal.SIGKILL, False)
        one.start()
        assert (one.endpoints["tcp"], one.folder) == before[1:]
        assert one.pid != before[0]
        one.restart()
        assert one.state is State.READY
        assert one.get_stdout() == "listening\n" * 3
        assert one.log_tail() == ["listening"]


def test_what_a_crashed_service_has_left_is_killed_before_it_starts_again() -> None:
    leaves = Service(
        "one", command=(*PYTHON, LEAVES_ONE, "${address}", "${port.main}"), ports=(Port(name="main"),), ready=PortListens("main")
    )
    with poisoned(Stack(leaves), "SIGKILL") as run:
        one = run["one"]
        until(lambda: (one.folder / "pids").exists(), 60)
        crash(one)
        until(lambda: one.state is State.CRASHED, 60)
        (left,) = pids_of(one.folder)
        assert is_alive(left)

        one.start()

        assert not is_alive(left)
        assert one.state is State.READY
        until(lambda: len(pids_of(one.folder)) == 2, 60)


def test_one_more_service_leaves_the_others_process_ids_as_they_were() -> None:
    with Stack(listener("broker"), listener("writer", "broker")).run() as run:
        before = {name: run[name].pid for name in run}
        with run.add(listener("writer", "broker"), stop_timeout_s=1) as second:
            assert second.name == "writer-2"
            assert run["writer-2"] is second
            assert second.service.stop_timeout_s == 1
            assert second.endpoints != run["writer"].endpoints
            pid = second.pid or 0
            assert is_alive(pid)
        assert not is_alive(pid)
        assert "writer-2" not in run
        assert {name: run[name].pid for name in run} == before


def test_one_more_service_that_fails_leaves_the_run_as_it_was() -> None:
    with Stack(sleeper("broker")).run() as run:
        with pytest.raises(ServiceDied, match="exited with code 2"), run.add(python("bad", "raise SystemExit(2)", ready=LogLine("never"))):
            pytest.fail("it must not be ready")
        with (
            pytest.raises(StackError, match="needs 'brokr', which is not in the stack; did you mean broker"),
            run.add(sleeper("x", "brokr")),
        ):
            pytest.fail("it must not be declared")
        assert list(run) == ["broker"]
        run.check()


def test_both_streams_go_to_one_log_in_order_or_are_kept_apart() -> None:
    ready = LogLine("err")
    with Stack(python("one", TALKS, ready=ready), python("two", TALKS, ready=ready, separate_stdout=True)).run() as run:
        assert run["one"].get_stdout() == run["one"].get_stderr() == "out\nerr\n"
        assert (run["two"].get_stdout(), run["two"].get_stderr()) == ("out\n", "err\n")


def test_two_marks_cut_the_logs_into_slices() -> None:
    with Stack(python("one", TALKS, ready=LogLine("err"))).run() as run:
        one = run["one"]
        begin = run.mark("test begins")
        os.kill(one.pid or 0, signal.SIGUSR1)
        until(lambda: "spoken" in one.get_stdout(), 60)
        end = run.mark("test ends")

        assert log_slice(begin, end, "one", one.log_path) == "spoken to\n"
        assert log_slice(end, run.mark("later"), "one", one.log_path) == ""


def test_a_service_that_writes_100_mb_is_not_blocked_and_its_error_stays_short() -> None:
    chatty = python(
        "chatty",
        "import sys\nfor _ in range(100): sys.stdout.write('x' * 999_999 + '\\n')\nsys.stdout.flush(); sys.exit(9)",
        ready=LogLine("never"),
    )
    with pytest.raises(ServiceDied, match="exited with code 9") as caught:
        Stack(chatty).run().start()

    assert len(str(caught.value)) < 2000
    folder = Path(caught.value.__notes__[0].rpartition(": ")[2])
    assert (folder / "log" / "chatty.log").stat().st_size == 100_000_000
    shutil.rmtree(folder)


def test_a_role_gives_its_handle_words_of_its_own_and_is_told_to_let_go() -> None:
    closed: list[str] = []

    class Broker(Handle):
        def topic(self) -> str:
            return f"{self.options['prefix']}_data on {self.endpoints['tcp']}"

        def close(self) -> None:
            closed.append(self.name)
            assert self.is_running()

    broker = listener("broker", handle=Broker, options={"prefix": "tb"})
    with Stack(broker).run() as run:
        handle = run["broker"]
        assert isinstance(handle, Broker)
        assert handle.topic().startswith("tb_data on 127.0.0.1:")

    assert closed == ["broker"]


def test_a_service_that_is_not_there_is_named_with_what_is_near() -> None:
    with (
        Stack(sleeper("filewriter")).run() as run,
        pytest.raises(StackError, match="no service 'filewritr' in this run; did you mean filewriter"),
    ):
        run["filewritr"]


def test_a_listener_that_fails_is_told_of_and_the_run_goes_on() -> None:
    def fails(handle: Handle) -> None:
        raise ValueError(handle.name)

    with poisoned(Stack(sleeper("one"), sleeper("two")), "SIGKILL", on_crash=fails) as run:
        crash(run["one"])
        until(lambda: any(event.kind == "trouble" for event in run.journal.events), 60)
        crash(run["two"])
        until(lambda: len(run.crashed) == 2, 60)


def test_a_run_can_be_used_from_a_thread_that_is_not_the_main_one() -> None:
    states: list[State] = []

    def use() -> None:
        with Stack(Service("one", command=("sleep", "1000"))).run() as run:
            states.append(run["one"].state)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join(20)

    assert states == [State.READY]
