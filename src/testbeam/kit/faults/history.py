"""From when to when what was broken, as a run's journal tells."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from testbeam.kit.journal import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultSpan:
    """One fault's time in seconds since the start of the run; `end_s` None while it lasts."""

    service: str
    fault: str
    begin_s: float
    end_s: float | None = None
    why: str = ""  # it ended
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """Return it as a timeline shows it."""
        return f"{self.fault}({', '.join(f'{name}={value}' for name, value in self.parameters.items())})"


def fault_spans(events: Iterable[Event]) -> tuple[FaultSpan, ...]:
    """Return every fault of a journal, in the order in which they began."""
    zero_ns: int | None = None
    found: dict[int, FaultSpan] = {}
    for event in events:
        zero_ns = event.at_ns if zero_ns is None else zero_ns
        if event.kind != "fault":
            continue
        at_s, data = (event.at_ns - zero_ns) / 1e9, event.data
        number = int(data["number"])
        if data["phase"] == "begin":
            found[number] = FaultSpan(service=event.service, fault=data["fault"], begin_s=at_s, parameters=data["parameters"])
        elif data["phase"] == "end" and number in found:
            began = found[number]
            found[number] = FaultSpan(
                service=began.service,
                fault=began.fault,
                begin_s=began.begin_s,
                end_s=at_s,
                why=str(data.get("why", "")),
                parameters=began.parameters,
            )
    return tuple(found.values())
