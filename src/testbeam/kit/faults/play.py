"""How a running stack goes through a schedule of faults, and how a schedule that it did not stand is repeated."""

import os
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbeam.errors import SettingsError
from testbeam.kit.faults.fault import Fault
from testbeam.kit.faults.schedule import Choice, Schedule, Step, random_schedule

if TYPE_CHECKING:
    from testbeam.kit.run import Run

SEED = "TESTBEAM_FAULT_SEED"

Check = Callable[["Run"], object]


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

    def play(self, run: "Run", seed: int | None = None, *, check: Check | None = None) -> Schedule:
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

    def replay(self, run: "Run", seed: int, *, check: Check | None = None) -> Schedule:
        """Do exactly what `play` did with this seed: the same faults, in the same order."""
        return self.play(run, seed, check=check)


def play(run: "Run", schedule: Schedule, *, check: Check | None = None) -> None:
    """Begin and end each fault when its time has come, one after the other in this thread; all are ended at the end, however that comes.

    check: called with the run after each step; it raises where something is wrong that no fault excuses. A step that takes long
    (a killed service starts again) delays those after it, but never changes their order.

    Raises:
        StackError: a fault can't be begun or undone, or a service has ended unasked.
    """
    started_s, done = time.monotonic(), list[Step]()
    active: dict[int, Fault] = {}
    with ExitStack() as undo:
        for step in schedule.steps():
            _wait_until(started_s + step.at_s)
            done.append(step)
            try:
                _take(run, step, active, undo)
                run.check()
                if check is not None:
                    check(run)
            except BaseException as error:
                error.add_note(told(schedule, done, time.monotonic() - started_s))
                raise


def told(schedule: Schedule, done: Iterable[Step], after_s: float) -> str:
    """Return what a failed schedule says of itself: its seed, and each step until the failure."""
    lines = [f"in a schedule of faults with seed {schedule.seed}, {after_s:.3f} s after its start, at the last of these steps:"]
    return "\n".join([*lines, *(f"  {step.phase:5} {step.planned}" for step in done)])


def _take(run: "Run", step: Step, active: dict[int, Fault], undo: ExitStack) -> None:
    planned = step.planned
    if step.phase == "begin":
        fault = run[planned.service].fault(planned.fault, **planned.options)
        active[planned.number] = undo.enter_context(fault)
    else:
        active[planned.number].end()


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
