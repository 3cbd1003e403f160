import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from testbeam.kit.journal import read
from testbeam.kit.stack import Stack
from testbeam.kit.state import State
from tests.integration.kit.runners import Runner, until, until_gone
from tests.integration.kit.small_services import is_alive, listener, sleeper, stubborn

StartRunner = Callable[[str], Runner]

INTERRUPTED = -signal.SIGINT  # Python re-raises an uncaught KeyboardInterrupt as its signal


def test_ctrl_c_on_a_running_stack_stops_it_in_order(tmp_path: Path, start_runner: StartRunner) -> None:
    runner = start_runner("plain")
    runner.said()
    pids = runner.pids()

    runner.interrupt()

    assert runner.process.wait(60) == INTERRUPTED
    assert not [pid for pid in pids if is_alive(pid)]
    stopped = [event.service for event in read(tmp_path / "events.jsonl") if event.kind == "stopped"]
    assert stopped == ["last", "next", "server"]


@pytest.mark.parametrize("moment", ["run_started", "starting", "spawned", "seen", "ready"])
def test_ctrl_c_during_the_start_leaves_no_process(tmp_path: Path, start_runner: StartRunner, moment: str) -> None:
    runner = start_runner("plain")
    _until_event(runner, moment)
    pids = runner.pids()

    runner.interrupt()

    assert runner.process.wait(60) == INTERRUPTED
    assert not [pid for pid in (*pids, *runner.pids()) if is_alive(pid)]
    assert "run_stopped" in [event.kind for event in read(tmp_path / "events.jsonl")]


@pytest.mark.parametrize("delay_s", [0.0, 0.02, 0.05, 0.08, 0.12, 0.16, 0.2, 0.25])
def test_ctrl_c_at_any_moment_leaves_no_process(tmp_path: Path, start_runner: StartRunner, delay_s: float) -> None:
    runner = start_runner("plain")
    until(lambda: runner.process.poll() is not None or (tmp_path / "events.jsonl").exists(), 60)
    time.sleep(delay_s)  # no synchronisation: the moment is what is tried out
    pids = runner.pids()

    runner.interrupt()
    time.sleep(delay_s / 10)
    runner.interrupt()

    assert runner.process.wait(60) == INTERRUPTED
    until_gone([*pids, runner.process.pid, *runner.pids()], 1.0)


@pytest.mark.parametrize("moment", ["run_started", "spawned", "run_ready"])
def test_a_storm_of_ctrl_c_leaves_no_process_and_hangs_nowhere(tmp_path: Path, start_runner: StartRunner, moment: str) -> None:
    runner = start_runner("plain")
    _until_event(runner, moment)
    pids = runner.pids()

    deadline_s = time.monotonic() + 60
    while runner.process.poll() is None and time.monotonic() < deadline_s:
        runner.interrupt()

    assert runner.process.poll() is not None
    until_gone([*pids, runner.process.pid, *runner.pids()], 1.0)


def test_ctrl_c_twice_does_not_wait_for_a_service_that_ignores_its_signal(tmp_path: Path, start_runner: StartRunner) -> None:
    runner = start_runner("stubborn")  # it may take 60 s to stop
    runner.said()
    pids = runner.pids()

    runner.interrupt()
    _until_event(runner, "stopping")
    assert is_alive(runner.process.pid)
    runner.interrupt()

    assert runner.process.wait(5) == INTERRUPTED
    assert not [pid for pid in pids if is_alive(pid)]


def test_ctrl_c_while_one_more_is_started_stops_that_one_and_leaves_the_run() -> None:
    with Stack(sleeper("one")).run() as run:
        run.journal.subscribe(lambda event: os.kill(os.getpid(), signal.SIGINT) if event.kind == "seen" else None)
        with pytest.raises(KeyboardInterrupt), run.add(listener("slow", after_s=60)):
            pytest.fail("it must not be ready")
        assert list(run) == ["one"]
        assert run["one"].state is State.READY


@pytest.mark.parametrize("moment", ["spawned", "run_ready"])
def test_ctrl_c_keeps_no_temporary_folder_of_a_run_that_starts_or_is_up(moment: str) -> None:
    run = Stack(sleeper("one")).run(on_event=lambda event: os.kill(os.getpid(), signal.SIGINT) if event.kind == moment else None)

    with pytest.raises(KeyboardInterrupt) as caught, run:
        time.sleep(10)  # where it comes only now

    assert not run.folder.exists()
    assert getattr(caught.value, "__notes__", []) == []


def test_ctrl_c_during_the_stop_kills_what_is_left_and_is_raised() -> None:
    run = Stack(stubborn("stubborn", stop_timeout_s=60)).run()
    run.start()
    run.journal.subscribe(lambda event: signal.raise_signal(signal.SIGINT) if event.kind == "stopping" else None)
    pid = run["stubborn"].pid or 0

    with pytest.raises(KeyboardInterrupt):
        run.stop()

    assert not is_alive(pid)


def _until_event(runner: Runner, kind: str) -> None:
    journal = runner.folder / "events.jsonl"
    until(lambda: journal.exists() and f'"kind": "{kind}"' in journal.read_text(), 60)
