import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from testbeam.errors import ServiceDied
from testbeam.kit import guard
from testbeam.kit.handle import Handle
from testbeam.kit.probes.file import FileExists
from testbeam.kit.stack import Stack
from testbeam.kit.state import State
from tests.integration.kit.runners import Runner, poisoned, until, until_gone
from tests.integration.kit.small_services import is_alive, listener, pids_of, python, sleeper, stubborn


@pytest.fixture
def runner(start_runner: Callable[[str], Runner]) -> Runner:
    return start_runner("stubborn")


@pytest.mark.parametrize(
    "victims",
    [("runner",), ("guard",), ("watcher",), ("runner", "guard"), ("guard", "runner"), ("runner", "watcher"), ("guard", "watcher")],
    ids=" and ".join,
)
def test_whoever_is_killed_every_process_is_gone_within_a_second(runner: Runner, victims: tuple[str, ...]) -> None:
    said = runner.said() | {"runner": runner.process.pid}
    pids = runner.pids()
    services = [pid for pid in pids if pid not in {said["guard"], said["watcher"]}]
    assert len(services) == 5  # two plain ones, a stubborn one with its child and its double-forked grandchild
    assert all(map(is_alive, pids))

    for victim in victims:
        guard.send(said[victim], signal.SIGKILL)  # the watcher may have done its work and be gone by its turn

    until_gone(services, 1.0)
    if "runner" not in victims:  # it lives to say what happened, and ends by itself
        assert runner.process.wait(60) == 1
    runner.process.wait(60)
    until_gone(pids, 1.0)


def test_a_runner_that_is_killed_while_it_starts_leaves_nothing(tmp_path: Path, start_runner: Callable[[str], Runner]) -> None:
    runner = start_runner("plain")
    journal = tmp_path / "events.jsonl"
    until(lambda: journal.exists() and '"spawned"' in journal.read_text(), 60)
    pids = runner.pids()

    runner.process.kill()
    runner.process.wait()

    until_gone(pids, 1.0)


def test_a_dead_guard_is_an_error_that_names_it_and_not_a_hang() -> None:
    with poisoned(Stack(listener("one"), sleeper("two", "one")), r"guard process of the run died .* start the run again") as run:
        os.kill(run.guard_pid or 0, signal.SIGKILL)
        until(lambda: run["two"].state is State.CRASHED and bool(run.crashed), 60)


def test_a_guard_that_dies_during_the_start_is_an_error_and_not_a_hang() -> None:
    def kill_guard(handle: Handle) -> None:
        os.kill(handle.run.guard_pid or 0, signal.SIGKILL)

    run = Stack(listener("one").configured(after_ready=kill_guard), listener("never", "one", after_s=60)).run()
    with pytest.raises(ServiceDied, match="guard"):
        run.start()


def test_a_service_that_ignores_sigterm_is_killed_with_all_that_descends_from_it() -> None:
    with Stack(stubborn("stubborn", stop_timeout_s=0.2)).run() as run:
        pids = pids_of(run["stubborn"].folder)
        assert len(pids) == 3

    assert not [pid for pid in pids if is_alive(pid)]
    stopped = [event for event in run.journal.events if event.kind == "stopped"]
    assert [event.data["killed"] for event in stopped] == [True]


def test_stopping_one_service_takes_its_double_forked_daemon_and_leaves_the_others() -> None:
    with Stack(sleeper("other")).run() as run:
        with run.add(stubborn("stubborn", stop_timeout_s=0.1)) as handle:
            pids = pids_of(handle.folder)
        assert not [pid for pid in pids if is_alive(pid)]
        assert run["other"].is_running()


def test_a_daemon_that_hides_from_the_run_by_a_clean_environment_is_gone_at_its_end() -> None:
    code = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open("hidden.part", "w").write(str(os.getpid()))
        os.rename("hidden.part", "hidden")
        os.execve("/bin/sleep", ["sleep", "1000"], {})
    os._exit(0)
time.sleep(1000)
"""
    with Stack(python("hides", code, ready=FileExists("hidden"))).run() as run:
        hidden = int((run["hides"].folder / "hidden").read_text())
        assert is_alive(hidden)

    assert not is_alive(hidden)
