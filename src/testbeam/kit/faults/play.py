"""Play of a schedule of faults on a running stack, and its repetition where it failed."""

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from testbeam.errors import SettingsError
from testbeam.kit.faults.fault import Fault
from testbeam.kit.faults.schedule import Choice, Schedule, Step, random_schedule
from testbeam.kit.protocols import RunLike

SEED = "TESTBEAM_FAULT_SEED"

Check = Callable[[Any], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomFaults:
    """What may happen to a stack by chance, and how much of it: `play` it with a new seed, `replay` the seed of a failure.

    count, every_s: as in `random_schedule`.
    """

    choices: tuple[Choice, ...]
    count: int = 10
    every_s: float = 0.5

    def schedule(self, seed: int) -> Schedule:
        """Return the schedule of a seed."""
        return random_schedule(seed, self.choices, count=self.count, every_s=self.every_s)

    def play(self, run: RunLike, seed: int | None = None, *, check: Check | None = None) -> Schedule:
        """Break the stack by chance; return the schedule. Without a seed it is TESTBEAM_FAULT_SEED's, or a new one.

        Raises as `play`; the error's notes say the seed and how to repeat it.
        """
        schedule = self.schedule(_seed() if seed is None else seed)
        try:
            play(run, schedule, check=check)
        except BaseException as error:
            error.add_note(f"to repeat it: .replay(run, seed={schedule.seed}) of {self.count} faults, or {SEED}={schedule.seed}")
            raise
        return schedule

    def replay(self, run: RunLike, seed: int, *, check: Check | None = None) -> Schedule:
        """Do exactly what `play` did with this seed: the same faults, in the same order."""
        return self.play(run, seed, check=check)


def play(run: RunLike, schedule: Schedule, *, check: Check | None = None) -> None:
    """Begin and end each fault when its time has come; all are ended at the end, however that comes.

    Each service has its own thread for its steps: one that takes long (a killed file-writer starts again, and needs a broker that is
    paused just now) delays those after it on the same service, and never changes their order.
    check: called with the run after each step is taken up; it raises where something is wrong that no fault excuses.

    Raises:
        StackError: a fault can't be begun or undone, or a service has ended unasked.
    """
    started_s, done = time.monotonic(), list[Step]()
    with _threads(run, schedule) as threads:
        try:
            for step in schedule.steps():
                _wait_until(started_s + step.at_s)
                done.append(step)
                threads[step.planned.service].take(step)
                _look(run, threads, check)
            for thread in threads.values():
                thread.finish()
            _look(run, threads, check)
        except BaseException as error:
            error.add_note(told(schedule, done, time.monotonic() - started_s))
            raise


class FaultThread:
    """Takes the steps of one service, in their order, in a thread of its own."""

    def __init__(self, run: RunLike, service: str) -> None:
        self.error: BaseException | None = None
        self._run = run
        self._active: dict[int, Fault] = {}
        self._steps: SimpleQueue[Step | None] = SimpleQueue()
        self._is_over = False
        self._thread = threading.Thread(target=self._work, name=f"testbeam-faults-{service}", daemon=True)
        self._thread.start()

    def take(self, step: Step) -> None:
        """Take a step as soon as those before it are done."""
        self._steps.put(step)

    def finish(self, *, at_once: bool = False) -> None:
        """Take the steps that wait, unless it is to be at once; end what is still broken, and the thread."""
        self._is_over = at_once
        self._steps.put(None)
        self._thread.join()

    def _work(self) -> None:
        try:
            while not self._is_over and (step := self._steps.get()) is not None:
                self._do(step)
        except BaseException as error:  # carried to the thread that plays the schedule
            self.error = error
        finally:
            for fault in reversed(self._active.values()):
                self._mend(fault)

    def _do(self, step: Step) -> None:
        planned = step.planned
        if step.phase == "end":
            self._active.pop(planned.number).end()
        else:
            fault = self._run[planned.service].fault(planned.fault, **planned.options)
            self._active[planned.number] = fault.begin()

    def _mend(self, fault: Fault) -> None:
        try:
            fault.end("the schedule has failed")
        except Exception as error:  # the first one is told; the other faults have to be ended, too
            self.error = self.error or error


@contextmanager
def _threads(run: RunLike, schedule: Schedule) -> Iterator[dict[str, FaultThread]]:
    threads = {name: FaultThread(run, name) for name in sorted({one.service for one in schedule.faults})}
    try:
        yield threads
    finally:
        for thread in threads.values():
            thread.finish(at_once=True)


def _look(run: RunLike, threads: dict[str, FaultThread], check: Check | None) -> None:
    for thread in threads.values():
        if thread.error is not None:
            raise thread.error
    run.check()
    if check is not None:
        check(run)


def told(schedule: Schedule, done: Iterable[Step], after_s: float) -> str:
    """Return what a failed schedule says of itself: its seed, and each step until the failure."""
    lines = [f"in a schedule of faults with seed {schedule.seed}, {after_s:.3f} s after its start, at the last of these steps:"]
    return "\n".join([*lines, *(f"  {step.phase:5} {step.planned}" for step in done)])


def _wait_until(at_s: float) -> None:
    left_s = at_s - time.monotonic()
    if left_s > 0:
        time.sleep(left_s)  # the schedule is about times: there is no fact to wait for


def _seed() -> int:
    given = os.environ.get(SEED, "")
    if not given:
        return int.from_bytes(os.urandom(4), "big")
    if not given.isdecimal():
        raise SettingsError(SEED, given, "the seed that a failed schedule has told, a whole number")
    return int(given)
