"""Watched PVs by name: their newest values and who is told of changes; what a watch over either protocol does alike."""

import logging
import threading
from dataclasses import dataclass, field
from typing import Any

from testbeam.errors import TransportError
from testbeam.transport.pv_watch import OnChange, PvSnapshot

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Watched:
    """One PV; `subscription` and `context` are the client's own."""

    name: str
    snapshot: PvSnapshot
    callbacks: list[OnChange] = field(default_factory=list)
    subscription: Any = None
    context: Any = None


class WatchedPvs:
    """The PVs of one watch; a client gives `_subscribe`, and sets snapshots from its own thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._watched: dict[str, Watched] = {}

    def watch(self, name: str, on_change: OnChange | None = None) -> None:
        """Watch a PV; see `PvWatch`."""
        with self._lock:
            watched = self._watched.get(name)
            if watched is None:
                watched = self._watched[name] = Watched(name, PvSnapshot(name=name))
                self._subscribe(watched)
            if on_change is not None:
                watched.callbacks.append(on_change)
                if watched.snapshot.reading is not None:
                    on_change(watched.snapshot)

    def snapshot(self, name: str) -> PvSnapshot:
        """Return what is known; see `PvWatch`."""
        watched = self._watched.get(name)
        return PvSnapshot(name=name) if watched is None else watched.snapshot

    def _subscribe(self, watched: Watched) -> None:
        raise NotImplementedError

    def _refuse_lost(self, name: str) -> None:
        """Raise TransportError for a PV whose connection is lost: asking for it would take all the time there is."""
        known = self.snapshot(name)
        if known.reading is not None and not known.connected:
            raise TransportError(f"PV {name!r}: its connection is lost; see whether the IOC runs")

    def _tell(self, watched: Watched) -> None:
        for callback in tuple(watched.callbacks):
            try:
                callback(watched.snapshot)
            except Exception:  # a device's own error must not end the watch of all others
                _log.exception("what is called on a change of PV %r failed", watched.name)
