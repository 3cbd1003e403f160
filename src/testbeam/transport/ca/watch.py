"""PVs watched, read and written by Channel Access: libca tells of changes, our own client reads and writes.

Servers are those of EPICS_CA_ADDR_LIST; who has a PV is asked once for each.
"""

import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from testbeam.errors import PvMissing, TransportError
from testbeam.model.deadline import Deadline
from testbeam.model.forwarding import Protocol
from testbeam.model.samples import ConnectionState
from testbeam.model.updates import UpdateBatch
from testbeam.transport.ca.client import CaClient
from testbeam.transport.epics_environment import CA_PORT
from testbeam.transport.monitors.opening import open_monitors
from testbeam.transport.monitors.protocols import Monitors
from testbeam.transport.pv_watch import PvSnapshot
from testbeam.transport.watched_pvs import Watched, WatchedPvs
from testbeam.wire.pv_reading import PvValue, Reading, Scalar

_LOOK_S = 0.02
_PROPERTIES_S = 1.0


class CaWatch(WatchedPvs):
    """A client of all CA servers that the environment names."""

    def __init__(self) -> None:
        super().__init__()
        listed = os.environ.get("EPICS_CA_ADDR_LIST", "").split() or ["127.0.0.1"]
        default = int(os.environ.get("EPICS_CA_SERVER_PORT", "") or CA_PORT)
        self._places = [(host, int(port) if port else default) for host, _, port in (one.partition(":") for one in listed)]
        self._place_of: dict[str, tuple[str, int]] = {}
        self._monitors: Monitors = open_monitors(Protocol.CA)
        self._by_stream: dict[int, Watched] = {}
        self._new: list[tuple[int, Watched]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ca-watch", daemon=True)
        self._thread.start()

    def get(self, name: str, within_s: float) -> PvSnapshot:
        """Ask for the value with its properties; see `PvWatch`."""
        self._refuse_lost(name)

        def read(channel: Any, deadline: Deadline) -> PvSnapshot:
            found = channel.get(deadline.left_s)
            properties = channel.properties(deadline.left_s)
            limits = properties.limits
            return PvSnapshot(
                name=name,
                connected=True,
                reading=found,
                display=None if limits is None else limits.display,
                control=None if limits is None else limits.control,
                precision=properties.precision,
            )

        found: PvSnapshot = self._with_channel(name, within_s, read)
        return found

    def put(self, name: str, value: PvValue | Sequence[Scalar], *, wait: bool = False, within_s: float = 10.0) -> None:
        """Write; see `PvWatch`."""
        self._with_channel(name, within_s, lambda channel, deadline: channel.put(value, wait, deadline.left_s))

    def close(self) -> None:
        """End everything; see `PvWatch`."""
        self._stop.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(2)

    def _subscribe(self, watched: Watched) -> None:
        self._new.append((len(self._watched), watched))

    def _with_channel(self, name: str, within_s: float, use: Any) -> Any:
        deadline, last = Deadline(within_s), TransportError(f"PV {name!r}: no CA server is named; set EPICS_CA_ADDR_LIST")
        known = self._place_of.get(name)
        places = [known] if known else self._places
        for index, (host, port) in enumerate(places):
            share_s = deadline.left_s / (len(places) - index)
            try:
                with CaClient(host, port) as client:
                    channel = client.channel(name, share_s)
                    self._place_of[name] = host, port
                    return use(channel, deadline)
            except PvMissing as error:
                last = error
            except TransportError as error:
                last = error
                self._place_of.pop(name, None)
        raise last

    def _run(self) -> None:
        try:
            while not self._stop.wait(_LOOK_S):
                with self._lock:
                    new, self._new = self._new, []
                for stream, watched in new:
                    self._by_stream[stream] = watched
                    self._monitors.subscribe(stream, watched.name)
                self._take(self._monitors.drain())
        finally:
            self._monitors.close()

    def _take(self, batch: UpdateBatch) -> None:
        changed: dict[str, Watched] = {}
        for stream, state in zip(batch.connections.stream, batch.connections.state, strict=True):
            watched = self._by_stream[stream]
            watched.snapshot = (
                self._connected(watched) if state is ConnectionState.CONNECTED else replace(watched.snapshot, connected=False)
            )
            changed[watched.name] = watched
        for columns in batch.values:
            for stream, value, timestamp_ns in columns.rows():
                watched = self._by_stream[stream]
                plain = value.tolist() if hasattr(value, "tolist") else value
                old = watched.snapshot.reading or Reading(value=plain)
                watched.snapshot = replace(
                    watched.snapshot, connected=True, reading=replace(old, value=plain, timestamp_ns=int(timestamp_ns))
                )
                changed[watched.name] = watched
        alarms = batch.alarms
        for stream, severity, message in zip(alarms.stream, alarms.severity, alarms.message, strict=True):
            watched = self._by_stream[stream]
            if watched.snapshot.reading is not None:
                watched.snapshot = replace(
                    watched.snapshot, reading=replace(watched.snapshot.reading, severity=int(severity), status=message)
                )
                changed[watched.name] = watched
        for watched in changed.values():
            self._tell(watched)

    def _connected(self, watched: Watched) -> PvSnapshot:
        """Return the PV with units, choices and limits, which libca does not tell here."""
        watched.snapshot = replace(watched.snapshot, connected=True)
        with suppress(TransportError):
            return self.get(watched.name, _PROPERTIES_S)
        return watched.snapshot
