"""Where the faults of a process are kept that has joined a stack: they are begun and ended by whoever holds it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from testbeam.hosting.channel import Channel

if TYPE_CHECKING:
    from testbeam.kit.faults.fault import Fault
    from testbeam.kit.faults.link import LinkFault


class RemoteBoard:
    """The same words as a run's own board; what this process has broken is mended when it leaves, however it does."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._active: list[Fault] = []

    @property
    def active(self) -> "tuple[Fault, ...]":
        """Return what this process has broken, the oldest first."""
        return tuple(self._active)

    def begin(self, fault: "Fault") -> None:
        """Begin a fault; raise what it raises."""
        fault.number = self._channel.ask("fault_begin", service=fault.handle.name, kind=fault.kind, options=dict(fault.parameters))
        fault.is_active = True
        self._active.append(fault)

    def end(self, fault: "Fault", why: str) -> None:
        """End a fault, if it is active; raise what it raises."""
        if not fault.is_active:
            return
        fault.is_active = False
        self._active.remove(fault)
        counts = self._channel.ask("fault_end", number=fault.number, why=why)
        if hasattr(fault, "last_counts"):
            fault.last_counts = counts

    def change(self, fault: "LinkFault", words: Mapping[str, Any]) -> None:
        """Change an active link fault; raise what it raises."""
        self._channel.ask("fault_change", number=fault.number, options=dict(words))

    def counts(self, fault: "LinkFault") -> dict[str, int]:
        """Return what an active link fault has counted."""
        found: dict[str, int] = self._channel.ask("fault_counts", number=fault.number)
        return found
