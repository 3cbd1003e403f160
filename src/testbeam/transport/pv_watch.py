"""PVs as devices need them: the newest value at any time, told of each change, reads, writes; over PVA or CA, by the EPICS_* variables.

A watch has one thread, which calls the callbacks. `snapshot` never waits; `get` asks the server.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from testbeam.wire.pv_reading import PvValue, Reading, Scalar

Range = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class PvSnapshot:
    """What is known of a PV; `reading` is the last one also where the connection is lost, None before the first.

    `display` and `control` are (low, high) in the PV's units, None where the server tells none; (0, 0) means unlimited.
    """

    name: str
    connected: bool = False
    reading: Reading | None = None
    display: Range | None = None
    control: Range | None = None
    precision: int | None = None

    @property
    def limits(self) -> Range | None:
        """Return the range that a value may be set in: the display's, else the control's; None is unlimited."""
        return next((one for one in (self.display, self.control) if one is not None and one != (0.0, 0.0)), None)


OnChange = Callable[[PvSnapshot], None]


class PvWatch(Protocol):
    """A client of PVs; any thread may call."""

    def watch(self, name: str, on_change: OnChange | None = None) -> None:
        """Keep the newest value of a PV, and call `on_change` with each change; once more for a further callback."""

    def snapshot(self, name: str) -> PvSnapshot:
        """Return what is known of a watched PV."""

    def get(self, name: str, within_s: float) -> PvSnapshot:
        """Ask for a PV's value; raise TransportError where no answer comes in time."""

    def put(self, name: str, value: PvValue | Sequence[Scalar], *, wait: bool = False, within_s: float = 10.0) -> None:
        """Write a PV, with `wait` until the record has processed; raise TransportError where it is refused or not answered."""

    def close(self) -> None:
        """End all connections and the thread."""
