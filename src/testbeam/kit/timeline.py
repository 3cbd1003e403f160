"""How a start-up went: from when to when each service was spawned, ready and stopped."""

from collections.abc import Iterable
from dataclasses import dataclass

from testbeam.kit.journal import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One service's times in seconds since the start of the run; None for what did not happen."""

    service: str
    spawned_s: float | None = None
    ready_s: float | None = None
    ended_s: float | None = None
    last_seen: str = ""


_TIMES = {"spawned": "spawned_s", "ready": "ready_s", "stopped": "ended_s", "exited": "ended_s", "failed": "ended_s", "crashed": "ended_s"}


def spans(events: Iterable[Event]) -> tuple[Span, ...]:
    """Return each service's first start, in the order in which they were first heard of."""
    zero_ns: int | None = None
    found: dict[str, dict[str, float | str]] = {}
    for event in events:
        zero_ns = event.at_ns if zero_ns is None else zero_ns
        if not event.service:
            continue
        times = found.setdefault(event.service, {})
        if event.kind in _TIMES:
            times.setdefault(_TIMES[event.kind], (event.at_ns - zero_ns) / 1e9)
        if event.kind == "seen":
            times["last_seen"] = str(event.data.get("detail", ""))
    return tuple(Span(service=name, **times) for name, times in found.items())  # type: ignore[arg-type]  # keys are the fields'
