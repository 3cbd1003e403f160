"""The state machine of a service under starts, stops and events that come at the worst moment."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from testbeam.errors import NotReady, ServiceDied, StackError
from testbeam.kit.guard_client import CommandLine, Listener, Process
from testbeam.kit.journal import Journal
from testbeam.kit.lifecycle import Context, Lifecycle
from testbeam.kit.spec import ProbeResult, Service
from testbeam.kit.state import State


class FakeGuard:
    """Hands out processes that the test lets live and end; one that is told to stop is gone at once, unless it clings."""

    def __init__(self) -> None:
        self.processes: list[Process] = []
        self.stopped: list[int] = []
        self.clings = False

    def spawn(self, _line: CommandLine, listener: Listener) -> Process:
        process = Process(len(self.processes) + 1, self._order, listener=listener)
        self.processes.append(process)
        process.saw({"saw": "spawned", "pid": 1000 + process.job, "at_ns": 0})
        return process

    def _order(self, order: dict[str, Any]) -> None:
        if order["do"] == "stop":
            self.stopped.append(order["job"])
            if not self.clings:
                self.gone(self.processes[order["job"] - 1])

    def ended(self, process: Process) -> None:
        process.saw({"saw": "exited", "code": -15, "at_ns": 1})

    def gone(self, process: Process) -> None:
        self.ended(process)
        process.saw({"saw": "gone", "killed": False, "left": [], "at_ns": 1})


class Bench:
    """One lifecycle on a fake guard, and what it reports."""

    def __init__(self, folder: Path) -> None:
        self.look: Callable[[], ProbeResult] = lambda: ProbeResult(ready=False, detail="not yet")
        self.reported: list[StackError] = []
        self.guard = FakeGuard()
        self.journal = Journal(folder / "events.jsonl")
        self._folder = folder
        self.handle: Any = SimpleNamespace()
        self.clock_ns: Callable[[], int] = lambda: 5

    def lifecycle(self, *, kill_s: float = 15.0, **fields: Any) -> Lifecycle:
        probe: Any = SimpleNamespace(check=lambda _: self.look())
        service = Service("one", command=() if fields.get("external") else ("one",), ready=probe, **fields)
        guard: Any = self.guard
        context = Context(
            guard=guard,
            journal=self.journal,
            started_ns=0,
            report=lambda _, error: self.reported.append(error),
            clock_ns=lambda: self.clock_ns(),
            kill_s=kill_s,
        )
        return Lifecycle(service, self._place(), context)

    def _place(self) -> Any:
        line = CommandLine(argv=("one",), env={}, cwd=self._folder)
        return SimpleNamespace(
            log_path=self._folder / "one.log",
            endpoints={},
            address="",
            ports={},
            argv=lambda: ("one",),
            command_line=lambda: line,
            check_ports=lambda: None,
        )

    def make_ready(self, lifecycle: Lifecycle) -> None:
        self.look = lambda: ProbeResult(ready=True, detail="up")
        lifecycle.become_ready(self.handle)

    def waiting(self, lifecycle: Lifecycle) -> Callable[[], Exception]:
        """Wait for readiness in a thread, from a first look on; return what waits for its error."""
        errors: list[Exception] = []
        looked = threading.Event()

        def look() -> ProbeResult:
            looked.set()
            return ProbeResult(ready=False, detail="not yet")

        def wait() -> None:
            try:
                lifecycle.become_ready(self.handle)
            except Exception as error:  # it is what the test asks for
                errors.append(error)

        self.look = look
        thread = threading.Thread(target=wait, daemon=True)
        thread.start()
        assert looked.wait(60)

        def error() -> Exception:
            thread.join(60)
            assert not thread.is_alive()
            return errors[0]

        return error


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Return a bench in this test's folder."""
    bench = Bench(tmp_path)
    yield bench
    bench.journal.close()


def too_late(bench: Bench, lifecycle: Lifecycle) -> None:
    """Have a start fail of its deadline; its process goes on."""
    lifecycle.spawn()
    with pytest.raises(NotReady):
        lifecycle.become_ready(bench.handle)


def test_what_is_left_of_a_start_that_was_too_late_is_killed_before_the_next(bench: Bench) -> None:
    lifecycle = bench.lifecycle(ready_timeout_s=0.01)
    too_late(bench, lifecycle)

    lifecycle.spawn()
    bench.make_ready(lifecycle)

    first, second = bench.guard.processes
    assert bench.guard.stopped == [first.job]
    assert first.is_gone()
    assert (lifecycle.state, lifecycle.process) == (State.READY, second)


def test_the_descendants_of_a_crashed_service_are_killed_before_the_next_start(bench: Bench) -> None:
    lifecycle = bench.lifecycle()
    lifecycle.spawn()
    bench.make_ready(lifecycle)
    bench.guard.ended(bench.guard.processes[0])
    assert lifecycle.state is State.CRASHED

    lifecycle.spawn()

    assert bench.guard.stopped == [1]
    assert lifecycle.process is bench.guard.processes[1]


def test_a_service_that_runs_is_not_killed_by_a_start(bench: Bench) -> None:
    lifecycle = bench.lifecycle()
    lifecycle.spawn()
    bench.make_ready(lifecycle)

    with pytest.raises(StackError, match="is ready and can't become starting"):
        lifecycle.spawn()

    assert bench.guard.stopped == []
    assert lifecycle.state is State.READY


def test_what_cannot_be_killed_keeps_the_next_start_from_beginning(bench: Bench) -> None:
    lifecycle = bench.lifecycle(ready_timeout_s=0.01, kill_s=0.01)
    too_late(bench, lifecycle)
    bench.guard.clings = True

    with pytest.raises(StackError, match="can't be killed"):
        lifecycle.spawn()

    assert (len(bench.guard.processes), lifecycle.state) == (1, State.FAILED)


def test_news_of_an_earlier_process_does_not_touch_the_one_that_runs(bench: Bench) -> None:
    lifecycle = bench.lifecycle()
    lifecycle.spawn()
    bench.make_ready(lifecycle)
    first = bench.guard.processes[0]
    bench.guard.ended(first)
    lifecycle.spawn()
    bench.make_ready(lifecycle)
    gone: list[str] = []
    bench.guard.clings = True
    lifecycle.begin_stop(gone.append)

    bench.guard.gone(first)
    assert (lifecycle.state, lifecycle.process, gone) == (State.STOPPING, bench.guard.processes[1], [])

    bench.guard.gone(bench.guard.processes[1])
    assert gone == ["one"]


def test_a_start_that_somebody_else_stops_ends_with_its_process(bench: Bench) -> None:
    lifecycle = bench.lifecycle(ready_timeout_s=1000)
    lifecycle.spawn()
    error = bench.waiting(lifecycle)

    lifecycle.stop()

    assert isinstance(error(), ServiceDied)
    assert "was ended by SIGTERM" in str(error())
    assert lifecycle.state is State.STOPPED
    assert bench.reported == []


def test_a_start_that_is_stopped_and_begun_again_by_somebody_else_leaves_theirs_alone(bench: Bench) -> None:
    lifecycle = bench.lifecycle(ready_timeout_s=1000)
    lifecycle.spawn()
    error = bench.waiting(lifecycle)

    lifecycle.stop()
    lifecycle.spawn()

    assert isinstance(error(), ServiceDied)
    bench.make_ready(lifecycle)
    assert lifecycle.state is State.READY


def test_a_start_of_what_runs_elsewhere_ends_when_it_is_stopped(bench: Bench) -> None:
    lifecycle = bench.lifecycle(external=True, ready_timeout_s=1000)
    lifecycle.spawn()
    error = bench.waiting(lifecycle)

    lifecycle.stop()

    assert isinstance(error(), ServiceDied)
    assert "was stopped while it was starting" in str(error())
    assert lifecycle.state is State.STOPPED


def test_a_service_that_is_being_stopped_does_not_become_ready(bench: Bench) -> None:
    lifecycle = bench.lifecycle()
    lifecycle.spawn()
    bench.guard.clings = True
    lifecycle.begin_stop(lambda _: None)

    with pytest.raises(ServiceDied, match="was stopped while it was starting"):
        bench.make_ready(lifecycle)

    assert lifecycle.state is State.STOPPING


def test_an_end_at_the_very_deadline_is_told_as_the_cause(bench: Bench) -> None:
    lifecycle = bench.lifecycle(ready_timeout_s=0.01)
    lifecycle.spawn()

    def ends_meanwhile() -> int:
        """Have it end while the error of the missed deadline is made, which looks at the clock."""
        bench.clock_ns = lambda: 5
        bench.guard.ended(bench.guard.processes[0])
        return 5

    bench.clock_ns = ends_meanwhile

    with pytest.raises(ServiceDied, match="was ended by SIGTERM"):
        lifecycle.become_ready(bench.handle)
    assert lifecycle.state is State.FAILED


def test_two_who_wait_for_a_start_that_is_too_late_are_both_told_so(bench: Bench) -> None:
    lifecycle = bench.lifecycle(ready_timeout_s=0.01)
    too_late(bench, lifecycle)

    with pytest.raises(NotReady, match="was not ready after"):
        lifecycle.become_ready(bench.handle)
