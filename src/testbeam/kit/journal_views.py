"""Intervals of a run, folded from its journal: a service's states, its first start, its changes in words, and the faults."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from testbeam.kit.journal import Event
from testbeam.model.time import NS_PER_S

_STATES = {
    "starting": "starting",
    "spawned": "starting",
    "ready": "ready",
    "paused": "paused",
    "resumed": "ready",
    "stopping": "stopping",
    "stopped": "",
    "done": "",
    "exited": "",
    "failed": "failed",
    "crashed": "crashed",
}
_CHANGES = {*_STATES, "fault"} - {"starting"}


@dataclass(frozen=True, slots=True, kw_only=True)
class StateInterval:
    """One service in one state, in seconds since the start of the run; `end_s` None while it lasts."""

    service: str
    state: str
    start_s: float
    end_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstStart:
    """One service's first start in seconds since the start of the run; None for what did not happen."""

    service: str
    spawned_s: float | None = None
    ready_s: float | None = None
    ended_s: float | None = None
    last_seen: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultInterval:
    """One fault's time in seconds since the start of the run; `end_s` None while it lasts."""

    service: str
    fault: str
    start_s: float
    end_s: float | None = None
    why: str = ""  # it ended
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """Return it as a timeline shows it."""
        return f"{self.fault}({', '.join(f'{name}={value}' for name, value in self.parameters.items())})"


def state_intervals(events: Iterable[Event]) -> tuple[StateInterval, ...]:
    """Return the states of every service, in the order in which they began; a failed or crashed one stays so until it is started again."""
    closed: list[StateInterval] = []
    open_: dict[str, StateInterval] = {}
    for at_s, event in _timed(events):
        state = _STATES.get(event.kind)
        before = open_.get(event.service)
        if state is None or not event.service or (before is not None and before.state == state):
            continue
        if before is not None:
            if event.kind == "exited" and before.state in ("failed", "crashed"):
                continue
            closed.append(replace(before, end_s=at_s))
            del open_[event.service]
        if state:
            open_[event.service] = StateInterval(service=event.service, state=state, start_s=at_s)
    return tuple(sorted((*closed, *open_.values()), key=lambda one: one.start_s))


_TIMES = {"spawned": "spawned_s", "ready": "ready_s", "stopped": "ended_s", "exited": "ended_s", "failed": "ended_s", "crashed": "ended_s"}


def first_starts(events: Iterable[Event]) -> tuple[FirstStart, ...]:
    """Return each service's first start, in the order in which they were first heard of."""
    found: dict[str, dict[str, Any]] = {}
    for at_s, event in _timed(events):
        if not event.service:
            continue
        times = found.setdefault(event.service, {})
        if event.kind in _TIMES:
            times.setdefault(_TIMES[event.kind], at_s)
        if event.kind == "seen":
            times["last_seen"] = str(event.data.get("detail", ""))
    return tuple(FirstStart(service=name, **times) for name, times in found.items())


def fault_intervals(events: Iterable[Event]) -> tuple[FaultInterval, ...]:
    """Return every fault of a journal, in the order in which they began."""
    found: dict[int, FaultInterval] = {}
    for at_s, event in _timed(events):
        if event.kind != "fault":
            continue
        data, number = event.data, int(event.data["number"])
        if data["phase"] == "begin":
            found[number] = FaultInterval(service=event.service, fault=data["fault"], start_s=at_s, parameters=data["parameters"])
        elif data["phase"] == "end" and number in found:
            found[number] = replace(found[number], end_s=at_s, why=str(data.get("why", "")))
    return tuple(found.values())


def changes(events: Iterable[Event], services: Iterable[str], zero_ns: int) -> dict[str, list[str]]:
    """Return what became of each service, as `ready +0.312`, in seconds since a time of the monotonic clock."""
    found: dict[str, list[str]] = {name: [] for name in services}
    for event in events:
        if event.kind in _CHANGES and event.service in found:
            what = f"{event.data['fault']} {event.data['phase']}" if event.kind == "fault" else event.kind
            found[event.service].append(f"{what} {since(zero_ns, event)}")
    return found


def since(zero_ns: int, event: Event) -> str:
    """Return when an event was, in seconds since a time of the monotonic clock."""
    return f"{(event.at_ns - zero_ns) / NS_PER_S:+.3f}"


def _timed(events: Iterable[Event]) -> Iterator[tuple[float, Event]]:
    """Yield events with their time in seconds since the first of them."""
    zero_ns: int | None = None
    for event in events:
        zero_ns = event.at_ns if zero_ns is None else zero_ns
        yield (event.at_ns - zero_ns) / NS_PER_S, event
