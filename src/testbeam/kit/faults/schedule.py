"""Schedule of faults by chance: the same seed gives the same schedule, whatever machine it is played on.

Pure: nothing here waits, or knows a running stack.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from testbeam.errors import StackError
from testbeam.kit.faults.registry import OF_PROCESS, check_name

_PLACES = 3  # of a second: what a person can read, and no clock keeps better here
_SHORTEST_S = 0.001  # an end comes after its begin


@dataclass(frozen=True, slots=True, kw_only=True)
class Between:
    """A number by chance, from `low` to `high`; whole where both are."""

    low: float
    high: float

    def drawn(self, chance: random.Random) -> float:
        """Return one."""
        if isinstance(self.low, int) and isinstance(self.high, int):
            return chance.randint(self.low, self.high)
        return round(chance.uniform(self.low, self.high), _PLACES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What may happen to a service: a fault by its name, its options (values, or `Between` two), and for how many seconds.

    weight: how often it comes, against the others.

    Raises:
        StackError: there is no such fault, or a number can't be used.
    """

    service: str
    fault: str
    options: Mapping[str, Any] = field(default_factory=dict)
    lasts_s: Between = Between(low=0.1, high=1.0)
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_name(self.fault)
        if not 0 <= self.lasts_s.low <= self.lasts_s.high or self.weight <= 0:
            raise StackError(f"fault {self.fault!r} of {self.service!r}: {self.lasts_s}, weight {self.weight:g} can't be used")


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One fault of a schedule: from `at_s` after its start for `lasts_s`."""

    number: int
    at_s: float
    lasts_s: float
    service: str
    fault: str
    options: Mapping[str, Any]

    @property
    def end_s(self) -> float:
        """Return when it ends."""
        return round(self.at_s + self.lasts_s, _PLACES)

    def __str__(self) -> str:
        words = ", ".join(f"{name}={value!r}" for name, value in self.options.items())
        return f"{self.at_s:7.3f} s  {self.service}: {self.fault}({words}) for {self.lasts_s:g} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A fault's begin or end, when its time has come."""

    at_s: float
    phase: Literal["begin", "end"]
    planned: Planned


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Faults in the order of their beginnings, and the seed that they come from."""

    seed: int
    faults: tuple[Planned, ...]

    def steps(self) -> Iterator[Step]:
        """Yield every begin and end in the order of time; at one time ends come first."""
        begins = [Step(at_s=one.at_s, phase="begin", planned=one) for one in self.faults]
        ends = [Step(at_s=one.end_s, phase="end", planned=one) for one in self.faults]
        yield from sorted((*ends, *begins), key=lambda step: (step.at_s, step.phase == "begin", step.planned.number))

    def __str__(self) -> str:
        return "\n".join([f"seed {self.seed}, {len(self.faults)} faults:", *map(str, self.faults)])


def random_schedule(seed: int, choices: Sequence[Choice], *, count: int = 10, every_s: float = 0.5) -> Schedule:
    """Return `count` faults of these choices, one every `every_s` on average; they overlap as chance will have it.

    Faults of one service's process (a pause, a kill …) never overlap each other: what is killed can't be paused.

    Raises:
        StackError: there is nothing to choose from.
    """
    if not choices:
        raise StackError("a schedule of faults needs choices; give at least one Choice(service=…, fault=…)")
    chance = random.Random(seed)
    free_s: dict[str, float] = {}
    at_s, drawn = 0.0, []
    for _ in range(count):
        at_s += chance.expovariate(1 / every_s)
        choice = chance.choices(choices, [one.weight for one in choices])[0]
        drawn.append(_planned(choice, at_s, free_s, chance))
    ordered = sorted(drawn, key=lambda one: one["at_s"])
    return Schedule(seed=seed, faults=tuple(Planned(number=number, **one) for number, one in enumerate(ordered, 1)))


def _planned(choice: Choice, at_s: float, free_s: dict[str, float], chance: random.Random) -> dict[str, Any]:
    options = {name: value.drawn(chance) if isinstance(value, Between) else value for name, value in choice.options.items()}
    lasts_s = max(round(choice.lasts_s.drawn(chance), _PLACES), _SHORTEST_S)
    if choice.fault in OF_PROCESS:
        at_s = max(at_s, free_s.get(choice.service, 0.0))
    at_s = round(at_s, _PLACES)
    if choice.fault in OF_PROCESS:
        free_s[choice.service] = at_s + lasts_s
    return {"at_s": at_s, "lasts_s": lasts_s, "service": choice.service, "fault": choice.fault, "options": options}
