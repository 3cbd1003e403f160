"""Services that end, that hang, that want a terminal, that talk too much: what the kit makes of each."""

import signal
from pathlib import Path

import pytest

from testbeam.clients.waiting import wait_for_condition
from testbeam.errors import NotReady, ServiceDied, StackError, WaitTimeout
from testbeam.kit.probes.file import FileExists
from testbeam.kit.probes.listening import PortListens
from testbeam.kit.spec import ProbeResult, Service, ServiceView
from testbeam.kit.stack import Stack
from testbeam.kit.state import State
from tests.integration.kit.small_services import is_alive, listener, python, sleeper


def shell(name: str, script: str, *needs: str, **fields: object) -> Service:
    return Service(name, command=("sh", "-c", script), needs=needs, **fields)  # type: ignore[arg-type]


# --- one-shots ---


def test_a_one_shot_uses_what_it_needs_and_what_needs_it_starts_after_its_end() -> None:
    fill = shell("fill", "echo ${server.tcp} > ../filled", "server", once=True)
    reader = shell("reader", "cat ../filled; exec sleep 1000", "fill", ready=FileExists("../filled"))
    with Stack(listener("server"), fill, reader).run() as run:
        assert (run["fill"].state, run["fill"].exit_code) == (State.DONE, 0)
        assert run["reader"].expect_log("^127") == run["server"].endpoints["tcp"]
        run["fill"].start()
        assert run["fill"].state is State.DONE
        run.check()
    assert [event.kind for event in run.journal.events if event.service == "fill"].count("done") == 2


def test_a_one_shot_that_fails_is_a_failed_start_with_its_code_and_log() -> None:
    with pytest.raises(ServiceDied, match=r"(?s)'fill' exited with code 3 .* while it was starting.*no such table"):
        Stack(shell("fill", "echo no such table; exit 3", once=True)).run().start()


def test_a_one_shot_that_does_not_end_is_too_late() -> None:
    with pytest.raises(NotReady, match="'fill' was not ready after"):
        Stack(sleeper("fill", once=True, ready_timeout_s=0.2)).run().start()


def test_a_one_shot_has_no_probe() -> None:
    with pytest.raises(StackError, match=r"a one-shot service \(once\) is ready when it has ended"):
        sleeper("fill", once=True, ready=FileExists("x"))


# --- liveness ---


class Answers:
    """A liveness probe that a file ends."""

    def __repr__(self) -> str:
        return "Answers()"

    def check(self, service: ServiceView) -> ProbeResult:
        hangs = (service.folder / "hangs").exists()
        return ProbeResult(ready=not hangs, detail="does not answer" if hangs else "answers")


def test_a_service_that_hangs_after_it_was_ready_has_crashed_and_is_named() -> None:
    crashed: list[str] = []
    run = Stack(sleeper("one", alive=Answers(), alive_timeout_s=0.5)).run(on_crash=lambda handle: crashed.append(handle.name))
    run.start()
    one = run["one"]
    (one.folder / "hangs").touch()

    wait_for_condition(lambda: crashed, within_s=60, what="the report of the crash, which is last")
    assert one.state is State.CRASHED
    with pytest.raises(ServiceDied, match=r"(?s)'one' runs, but has not answered for 0\.5 s.*does not answer"):
        run.check()
    assert crashed == ["one"]
    pid = one.pid
    (one.folder / "hangs").unlink()
    one.start()  # kills what hangs
    assert (one.state, is_alive(pid or 0)) == (State.READY, False)
    run.stop()


def test_a_pause_is_no_hang() -> None:
    with Stack(listener("one", alive=PortListens("main"), alive_timeout_s=0.5)).run() as run:
        with run["one"].paused():
            (run["one"].folder / "hangs").touch()
            with pytest.raises(WaitTimeout):
                wait_for_condition(lambda: run["one"].state is not State.PAUSED, within_s=2)
        run.check()
        assert run["one"].state is State.READY


# --- how it is stopped ---


@pytest.mark.parametrize(("scope", "told"), [("tree", "child and leader"), ("leader", "leader")])
def test_the_stop_signal_goes_to_all_or_to_the_leader_alone(scope: str, told: str) -> None:
    child = "trap 'echo child >> told; exit' TERM; touch there; while :; do sleep 0.05; done"
    leader = f"(trap '' TERM; sh -c \"{child}\") & trap 'echo leader >> told; exit 0' TERM; while :; do sleep 0.05; done"
    service = shell("one", leader.replace("trap '' TERM; ", ""), ready=FileExists("there"), stop_scope=scope, stop_timeout_s=1)
    with Stack(service).run() as run:
        run["one"].stop()
        assert sorted((run["one"].folder / "told").read_text().split()) == sorted(word for word in told.split() if word != "and")


# --- its output ---


def test_a_service_on_a_terminal_writes_line_by_line_and_ends_as_it_ends() -> None:
    code = "import sys, time; print(sys.stdout.isatty(), sys.stdin.isatty()); time.sleep(1000)"
    with Stack(python("one", code, tty=True).configured(env={"PYTHONUNBUFFERED": ""})).run() as run:
        assert run["one"].expect_log("^True True$", 10) == "True True"
        with run["one"].expect_exit():
            run["one"].send_signal(signal.SIGTERM)
            assert run["one"].wait_exit() == -signal.SIGTERM
    with pytest.raises(ServiceDied, match="exited with code 7"), Stack(shell("one", "exit 7", tty=True, ready=FileExists("x"))).run():
        pass


def test_of_a_log_with_a_limit_the_newest_part_is_on_the_disk_and_the_rest_is_left_out(tmp_path: Path) -> None:
    code = """
import os, time
while not os.path.exists("go"): time.sleep(0.005)
for k in range(200): print(f"{k:4} " + "x" * 99_994)
print("the end", flush=True)
time.sleep(1000)
"""
    with Stack(python("one", code, log_limit_bytes=1 << 20)).run(tmp_path) as run:
        one = run["one"]
        mark = run.mark("begin")
        (one.folder / "go").touch()
        one.expect_log("^the end$", 20)
        wait_for_condition(lambda: one.log_path.stat().st_blocks * 512 < 2 << 20 or _can_not_be_limited(run.journal.events), within_s=60)
        if _can_not_be_limited(run.journal.events):
            pytest.skip("this file system gives no blocks back")
        assert one.log_path.stat().st_size > 20_000_000
        assert one.log_tail(1) == ["the end"]
        from testbeam.kit.logs import last_lines, log_slice

        lines, _ = last_lines(one.log_path, 1000)
        assert lines[-1] == "the end"
        assert len(lines) < 30
        assert log_slice(mark, run.mark("end"), "one", one.log_path).endswith("the end\n")


def _can_not_be_limited(events: list) -> bool:  # type: ignore[type-arg]
    return any("can't be limited" in str(event.data.get("detail")) for event in events)


def test_a_line_of_the_log_is_waited_for_from_a_mark_on() -> None:
    code = """
import signal, time
signal.signal(signal.SIGUSR1, lambda *_: print('told', flush=True))
print('up', flush=True)
while True: time.sleep(0.01)
"""
    with Stack(python("one", code)).run() as run:
        one = run["one"]
        assert one.expect_log("u.") == "up"
        mark = one.log_mark()
        with pytest.raises(WaitTimeout, match=r"(?s)has not logged 'up' within 0\.1 s; the end of .*  \| up"):
            one.expect_log("up", 0.1, since=mark)
        one.send_signal(signal.SIGUSR1)
        assert one.expect_log("told", since=mark) == "told"
        with one.expect_exit():
            one.send_signal(signal.SIGKILL)
            with pytest.raises(ServiceDied, match="has not logged 'more'"):
                one.expect_log("more", 30)
