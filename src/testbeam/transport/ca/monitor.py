"""PVs watched over Channel Access, with libca: its threads leave records in a receiver, which is emptied block by block."""

import atexit
import logging
import os
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbeam.errors import TransportError
from testbeam.model.samples import ConnectionState
from testbeam.model.time import NS_PER_MS, NS_PER_S
from testbeam.model.updates import UpdateBatch, ValueColumns
from testbeam.transport.ca import libca, ring
from testbeam.transport.ca.callbacks import Callbacks
from testbeam.transport.ca.records import Kind, Receiver, Records, Taken, times_ns, units_text, value_columns
from testbeam.transport.loopback import keep_on_loopback, leads_to_loopback_only
from testbeam.transport.monitors.batch_builder import BatchBuilder
from testbeam.transport.monitors.protocols import Clock
from testbeam.wire.channel_access.names import alarm_status

log = logging.getLogger(__name__)

# libca spaces out its searches, to 12 s after 20 s: a PV that is missing is searched for anew, as a new channel.
_SEARCH_NS = NS_PER_S
_SLOWEST_SEARCH_NS = 2 * NS_PER_S
_LARGEST_ARRAY_BYTES = "10000000"
# libca makes its UDP sockets with the first channel, and the one of its repeater in a thread that a busy machine starts late.
_FIRST_LOOK_NS = 20 * NS_PER_MS
_LAST_LOOK_NS = 20 * NS_PER_S
_UNKNOWN_ALARM = -1
_FIRST_STREAMS = 1024  # room in the tables by stream number, which grow


class _Channel:
    """One PV and its handle of the receiver."""

    __slots__ = ("connected", "handle", "name", "search_ns", "searched_ns", "stream", "units")

    def __init__(self, stream: int, name: str, units: bool, now_ns: int) -> None:
        self.stream = stream
        self.name = name
        self.units = units
        self.handle: Any = None
        self.connected = False
        self.search_ns = _SEARCH_NS
        self.searched_ns = now_ns


class CaMonitors:
    """Watches PVs over Channel Access; `receiver` says by what.

    Raises:
        TransportError: libca could not start, or the native ring that belongs to this platform is not there.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ca = libca.load()
        self._channels: dict[int, _Channel] = {}
        self._missing: set[int] = set()
        self._new: set[int] = set()  # connected, but without an update yet
        self._alarms = np.full(_FIRST_STREAMS, _UNKNOWN_ALARM, np.int64)  # severity and status by stream
        self._builder = BatchBuilder()
        self._last_connected_ns = -_SEARCH_NS
        self._unsent = False
        self._loopback_only = leads_to_loopback_only(os.environ)
        self._next_look_ns = 0
        self._look_again_ns = _FIRST_LOOK_NS
        os.environ.setdefault("EPICS_CA_MAX_ARRAY_BYTES", _LARGEST_ARRAY_BYTES)
        self._context: int | None = self._start()
        self.receiver = make_receiver()
        atexit.register(self.close)  # leaving while updates flow is a segmentation fault in libca's threads

    def subscribe(self, stream: int, channel: str, *, units: bool = False) -> None:
        """Watch a PV; see `Monitors`."""
        self._attach()
        if stream >= len(self._alarms):
            self._alarms = np.concatenate((self._alarms, np.full(max(len(self._alarms), stream), _UNKNOWN_ALARM, np.int64)))
        self._channels[stream] = new = _Channel(stream, channel, units, time.monotonic_ns())
        self._missing.add(stream)
        self._open(new)

    def unsubscribe(self, stream: int) -> None:
        """Stop watching; see `Monitors`."""
        self._attach()
        channel = self._channels.pop(stream, None)
        if channel is not None and channel.handle is not None:
            self.receiver.close(channel.handle)
            self._unsent = True
        for known in (self._missing, self._new):
            known.discard(stream)

    def drain(self) -> UpdateBatch:
        """Take and decode what libca's threads left; see `Monitors`."""
        self._attach()
        taken = self.receiver.take()
        columns = self._take(taken) if taken.records.size else ()
        if taken.dropped:
            self._builder.dropped += taken.dropped
            self._renew_missed()
        now_ns = time.monotonic_ns()
        if self._channels:
            self._look_at_sockets(now_ns)
        if self._missing:
            self._search_anew(now_ns)
        if self._unsent:
            self._unsent = False
            self._ca.ca_flush_io()
        return self._builder.take(columns)

    def wake(self, file: int) -> None:
        """Have a file written to when an update comes; see `Monitors`."""
        self.receiver.wake(file)

    def close(self) -> None:
        """Clear all channels and end libca's threads."""
        if self._context is None:
            return
        self._attach()
        for stream in tuple(self._channels):
            self.unsubscribe(stream)
        self._ca.ca_context_destroy()
        self._context = None
        self.receiver.free()
        atexit.unregister(self.close)

    def _start(self) -> int:
        self._ca.ca_detach_context()
        status = self._ca.ca_context_create(1)
        if status != libca.NORMAL:
            raise TransportError(f"Channel Access did not start: {self._ca.text(status)}; look at the EPICS_CA_* variables")
        return int(self._ca.ca_current_context())

    def _attach(self) -> None:
        """Make this thread's calls go to our context, not to one that somebody else's use of libca left here."""
        if self._ca.ca_current_context() != self._context:
            self._ca.ca_detach_context()
            self._ca.ca_attach_context(self._context)

    def _open(self, channel: _Channel) -> None:
        channel.handle = self.receiver.open(channel.stream, channel.name, units=channel.units)
        if channel.handle is None:
            self._builder.problems.append((channel.stream, self._ca.text(self.receiver.status)))
            self._missing.discard(channel.stream)
        self._look_at_sockets(time.monotonic_ns())
        self._unsent = True

    def _look_at_sockets(self, now_ns: int) -> None:
        """Tie libca's sockets to loopback: with the first channel, then after ever longer times until none can still come."""
        if not self._loopback_only or now_ns < self._next_look_ns:
            return
        keep_on_loopback()
        self._next_look_ns = now_ns + self._look_again_ns
        self._look_again_ns *= 2
        self._loopback_only = self._look_again_ns <= _LAST_LOOK_NS

    def _reopen(self, channel: _Channel) -> None:
        self.receiver.close(channel.handle)
        self._open(channel)

    def _renew_missed(self) -> None:
        """Ask anew for the values of PVs whose newest found no room."""
        if self.receiver.any_missed():
            for channel in tuple(self._channels.values()):
                if channel.handle is not None and self.receiver.has_missed(channel.handle):
                    self._reopen(channel)

    def _search_anew(self, now_ns: int) -> None:
        if now_ns - self._last_connected_ns < _SEARCH_NS:
            return  # a server is up and answering: starting over would only hold it up
        for stream in tuple(self._missing):
            channel = self._channels[stream]
            if now_ns - channel.searched_ns < channel.search_ns:
                continue
            channel.searched_ns = now_ns
            channel.search_ns = min(2 * channel.search_ns, _SLOWEST_SEARCH_NS)
            self._reopen(channel)

    def _take(self, taken: Taken) -> tuple[ValueColumns, ...]:
        records = taken.records
        times = times_ns(records)
        others = records["kind"] > Kind.BLOB
        if others.any():
            for record in records[others]:
                self._take_other(record, self._clock())
        values = records[~others]
        if values.size:
            value_times = times[~others]
            if self._new:
                self._note_first(values, value_times)
            self._note_alarms(values, value_times)
        return tuple(value_columns(taken, times))

    def _take_other(self, record: Any, now_ns: int) -> None:
        stream, kind = int(record["stream"]), record["kind"]
        if kind == Kind.EXCEPTION:
            self._builder.problems.append((0, self._ca.text(int(record["size"]))))
            return
        channel = self._channels.get(stream)
        if channel is None:
            return
        if kind == Kind.CONNECTED:
            self._connected(channel)
        elif kind == Kind.DISCONNECTED:
            self._disconnected(channel, now_ns)
        elif kind == Kind.UNITS:
            self._builder.unit(stream, now_ns, units_text(record["payload"]))
        else:
            self._builder.problems.append((stream, self._ca.text(int(record["size"]))))

    def _connected(self, channel: _Channel) -> None:
        self._last_connected_ns = time.monotonic_ns()
        self._missing.discard(channel.stream)
        if not channel.connected:
            channel.connected = True
            self._new.add(channel.stream)

    def _disconnected(self, channel: _Channel, now_ns: int) -> None:
        if not channel.connected:
            return
        channel.connected = False
        self._new.discard(channel.stream)
        self._missing.add(channel.stream)
        channel.searched_ns, channel.search_ns = time.monotonic_ns(), _SEARCH_NS
        self._builder.connection(channel.stream, now_ns, ConnectionState.DISCONNECTED)

    def _note_first(self, records: Records, times: NDArray[np.int64]) -> None:
        """Say of PVs that are connected when their first update comes, whose EPICS time it bears."""
        new = self._new
        for stream, time_ns in zip(records["stream"].tolist(), times.tolist(), strict=True):
            if stream in new:
                new.discard(stream)
                self._builder.connection(stream, time_ns, ConnectionState.CONNECTED)

    def _note_alarms(self, records: Records, times: NDArray[np.int64]) -> None:
        """Note alarms that changed: the rows of all PVs that have one that differs, one by one in their order."""
        streams = records["stream"]
        codes = (records["severity"].astype(np.int64) << 32) | records["status"].astype(np.int64) & 0xFFFF_FFFF
        differs = codes != self._alarms[streams]
        if not differs.any():
            return
        alarms = self._alarms
        rows = np.isin(streams, np.unique(streams[differs]))
        columns = (streams, times, codes, records["severity"], records["status"])
        for stream, time_ns, code, severity, status in zip(*(column[rows].tolist() for column in columns), strict=True):
            if alarms[stream] != code:
                alarms[stream] = code
                self._builder.alarm(stream, time_ns, severity, alarm_status(status))


def make_receiver() -> Receiver:
    """Return the native ring, or ctypes call-backs where there is none for the platform, or that of another version.

    Raises:
        TransportError: the native ring should be there and is not.
    """
    if os.environ.get(ring.WITHOUT_VARIABLE):
        log.warning("Channel Access by ctypes call-backs, as %s asks", ring.WITHOUT_VARIABLE)
        return Callbacks()
    if trouble := ring.outdated():
        log.warning("Channel Access by ctypes call-backs, which lose updates beyond some 20,000/s: %s", trouble)
        return Callbacks()
    if ring.is_available():
        return ring.Ring()
    if ring.expected_here():
        raise TransportError(
            f"the native receive ring {ring.LIBRARY.name} of Channel Access is missing from {ring.LIBRARY.parent}: install testbeam anew, "
            f"or set {ring.WITHOUT_VARIABLE}=1 to go on with ctypes call-backs, which lose updates beyond some 20,000/s"
        )
    log.warning("Channel Access by ctypes call-backs: there is no native ring for this platform; updates beyond some 20,000/s are lost")
    return Callbacks()
