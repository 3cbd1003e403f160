"""State machine by which hypothesis breaks a running stack: one whose rules begin and end faults, to which a test adds its own rules.

`hypothesis` is what a test brings along; nothing else of testbeam imports this file.
"""

import threading
from collections.abc import Sequence
from typing import ClassVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from testbeam.kit.faults.fault import Fault
from testbeam.kit.faults.registry import OF_PROCESS
from testbeam.kit.faults.schedule import Between, Choice
from testbeam.kit.protocols import RunLike

_STARTING = {"killed", "restarted"}
_CUTTING = ("black_hole", "stalled", "reset", "down")
_PAUSE_S = Between(low=0.0, high=0.3)


class FaultMachine(RuleBasedStateMachine):
    """Begins and ends faults of `choices` on `running`; subclass it with `@rule`s of what users do, and `@invariant`s.

    A fault lasts until a rule ends it, not for its `lasts_s`; while something is paused or cut off no other service is started.
    At the end of every example all faults are ended; then `settled` is called.
    """

    running: ClassVar[RunLike]
    choices: ClassVar[Sequence[Choice]] = ()

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[tuple[Choice, Fault]] = []

    def settled(self) -> None:
        """Check what must hold once nothing is broken any more."""

    @rule(data=st.data())
    def begin_fault(self, data: st.DataObject) -> None:
        """Break something that can be broken now."""
        possible = [index for index, choice in enumerate(self.choices) if self._is_possible(choice)]
        if not possible:
            return
        choice = self.choices[data.draw(st.sampled_from(possible), label="choice")]
        options = {
            name: data.draw(_numbers(value), label=name) if isinstance(value, Between) else value for name, value in choice.options.items()
        }
        fault = self.running[choice.service].fault(choice.fault, **options)
        self.faults.append((choice, fault.begin()))

    @precondition(lambda self: bool(self.faults))
    @rule(data=st.data())
    def end_fault(self, data: st.DataObject) -> None:
        """End a fault."""
        index = data.draw(st.integers(0, len(self.faults) - 1), label="fault")
        self.faults.pop(index)[1].end()

    @rule(pause_s=st.floats(_PAUSE_S.low, _PAUSE_S.high))
    def let_time_pass(self, pause_s: float) -> None:
        """Give the stack time to suffer."""
        threading.Event().wait(pause_s)

    @invariant()
    def no_service_has_ended_unasked(self) -> None:
        """Hold whatever is broken."""
        self.running.check()

    def teardown(self) -> None:
        """End all faults, the youngest first, then check."""
        while self.faults:
            self.faults.pop()[1].end()
        self.settled()

    def _is_possible(self, choice: Choice) -> bool:
        return not any(_excludes(choice, other) or _excludes(other, choice) for other, _ in self.faults)


def _excludes(one: Choice, other: Choice) -> bool:
    """Tell whether two faults can't be at once: of one process, or where a service that starts would wait for one that can't answer."""
    if one.service == other.service:
        return {one.fault, other.fault} <= OF_PROCESS
    return one.fault in _STARTING and (other.fault == "paused" or any(other.options.get(word) for word in _CUTTING))


def break_at_random(machine: type[FaultMachine], *, seed: int, examples: int = 5, steps: int = 10) -> None:
    """Run a machine; the same seed does the same again. A failure has the seed, and each step, in its notes.

    Steps on real processes take their time and are not repeated to find a shorter failure.
    """
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    try:
        run_state_machine_as_test(seeded(seed)(machine), settings=chosen)
    except BaseException as error:
        error.add_note(f"to repeat it: break_at_random({machine.__name__}, seed={seed}, examples={examples}, steps={steps})")
        raise


def _numbers(between: Between) -> st.SearchStrategy[float]:
    if isinstance(between.low, int) and isinstance(between.high, int):
        return st.integers(between.low, between.high)
    return st.floats(between.low, between.high)
