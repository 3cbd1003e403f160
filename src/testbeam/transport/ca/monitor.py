"""How are PVs watched over Channel Access? With libca, whose threads leave raw updates in lanes until they are drained."""

import atexit
import ctypes
import os
import time
from collections import deque

from testbeam.errors import TransportError
from testbeam.model.samples import ConnectionState
from testbeam.model.updates import UpdateBatch
from testbeam.transport.ca import libca
from testbeam.transport.ca.update_buffers import Lane, Rows, alarm_words, make_lane
from testbeam.transport.monitors.batch_builder import Gathering
from testbeam.transport.monitors.protocols import Clock
from testbeam.wire.channel_access.values import FieldType

_PRIORITY = 0
# libca spaces out its searches, to 12 s after 20 s: a PV that is missing is searched for anew, as a new channel.
_SEARCH_NS = 1_000_000_000
_SLOWEST_SEARCH_NS = 2_000_000_000
_LARGEST_ARRAY_BYTES = "10000000"


class _Channel:
    """One PV; `lane` is what its updates are subscribed to, None before it was first connected."""

    __slots__ = ("chid", "connected", "lane", "name", "search_ns", "searched_ns", "stream", "subscription")

    def __init__(self, stream: int, name: str, now_ns: int) -> None:
        self.stream = stream
        self.name = name
        self.chid = ctypes.c_void_p()
        self.subscription = ctypes.c_void_p()
        self.lane: Lane | None = None
        self.connected = False
        self.search_ns = _SEARCH_NS
        self.searched_ns = now_ns


class CaMonitors:
    """Watches PVs over Channel Access.

    Raises:
        TransportError: libca could not start.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ca = libca.load()
        self._channels: dict[int, _Channel] = {}
        self._lanes: dict[tuple[FieldType, bool], Lane] = {}
        self._events: deque[tuple[int, bool]] = deque()  # (stream, connected), from libca's threads
        self._errors: deque[tuple[int, str]] = deque()
        self._missing: set[int] = set()
        self._new: set[int] = set()  # connected, but without an update yet
        self._alarms: dict[int, tuple[int, int]] = {}
        self._gathering = Gathering()
        self._last_connected_ns = -_SEARCH_NS
        self._unsent = False
        self._on_connection = libca.ConnectionHandler(self._connection_changed)
        self._on_exception = libca.ExceptionHandler(self._exception)
        os.environ.setdefault("EPICS_CA_MAX_ARRAY_BYTES", _LARGEST_ARRAY_BYTES)
        self._context = self._start()
        atexit.register(self.close)  # leaving while updates flow is a segmentation fault in libca's threads

    def subscribe(self, stream: int, channel: str) -> None:
        """Watch a PV; see `Monitors`."""
        self._attach()
        self._channels[stream] = new = _Channel(stream, channel, time.monotonic_ns())
        self._missing.add(stream)
        self._search(new)

    def unsubscribe(self, stream: int) -> None:
        """Stop watching; see `Monitors`."""
        self._attach()
        channel = self._channels.pop(stream, None)
        if channel is not None and channel.chid:
            self._ca.ca_clear_channel(channel.chid)
            self._unsent = True
        for known in (self._missing, self._new):
            known.discard(stream)
        self._alarms.pop(stream, None)

    def drain(self) -> UpdateBatch:
        """Take and decode what libca's threads left; see `Monitors`."""
        self._attach()
        taken = self._take_lanes()
        self._take_connections(self._clock())  # after the rows: a PV's connection is noted before its first row is
        for rows in taken:
            self._note_alarms(rows)
        while self._errors:
            self._gathering.problems.append(self._errors.popleft())
        if self._missing:
            self._search_anew(time.monotonic_ns())
        if self._unsent:
            self._unsent = False
            self._ca.ca_flush_io()
        return self._gathering.take(tuple(rows.columns for rows in taken))

    def close(self) -> None:
        """Clear all channels and end libca's threads."""
        if self._context is None:
            return
        self._attach()
        for stream in tuple(self._channels):
            self.unsubscribe(stream)
        self._ca.ca_context_destroy()
        self._context = None
        atexit.unregister(self.close)

    def _start(self) -> int | None:
        self._ca.ca_detach_context()
        status = self._ca.ca_context_create(1)
        if status != libca.NORMAL:
            raise TransportError(f"Channel Access did not start: {self._ca.text(status)}; look at the EPICS_CA_* variables")
        self._ca.ca_add_exception_event(self._on_exception, None)
        return int(self._ca.ca_current_context())

    def _attach(self) -> None:
        """Make this thread's calls go to our context, not to one that somebody else's use of libca left here."""
        if self._ca.ca_current_context() != self._context:
            self._ca.ca_detach_context()
            self._ca.ca_attach_context(self._context)

    def _search(self, channel: _Channel) -> None:
        chid = ctypes.byref(channel.chid)
        status = self._ca.ca_create_channel(channel.name.encode(), self._on_connection, channel.stream, _PRIORITY, chid)
        if status != libca.NORMAL:
            self._gathering.problems.append((channel.stream, self._ca.text(status)))
            self._missing.discard(channel.stream)
        self._unsent = True

    def _search_anew(self, now_ns: int) -> None:
        if now_ns - self._last_connected_ns < _SEARCH_NS:
            return  # a server is up and answering: starting over would only hold it up
        for stream in tuple(self._missing):
            channel = self._channels[stream]
            if now_ns - channel.searched_ns < channel.search_ns:
                continue
            self._ca.ca_clear_channel(channel.chid)
            channel.lane = None
            channel.searched_ns = now_ns
            channel.search_ns = min(2 * channel.search_ns, _SLOWEST_SEARCH_NS)
            self._search(channel)

    def _take_connections(self, now_ns: int) -> None:
        while self._events:
            stream, up = self._events.popleft()
            channel = self._channels.get(stream)
            if channel is None or channel.connected == up:
                continue
            channel.connected = up
            if up:
                self._last_connected_ns = time.monotonic_ns()
                self._missing.discard(stream)
                self._new.add(stream)
                continue
            self._new.discard(stream)
            self._missing.add(stream)
            channel.searched_ns, channel.search_ns = time.monotonic_ns(), _SEARCH_NS
            self._gathering.connection(stream, now_ns, ConnectionState.DISCONNECTED)

    def _take_lanes(self) -> list[Rows]:
        found = []
        for lane in tuple(self._lanes.values()):
            taken = lane.take()
            if taken is not None:
                rows, dropped = taken
                self._gathering.dropped += dropped
                found.append(rows)
        return found

    def _note_alarms(self, rows: Rows) -> None:
        alarms, new = self._alarms, self._new
        for stream, time_ns, severity, status in rows.alarms():
            if alarms.get(stream) != (severity, status):
                alarms[stream] = (severity, status)
                self._gathering.alarm(stream, time_ns, *alarm_words(severity, status))
            if new and stream in new:
                new.discard(stream)
                self._gathering.connection(stream, time_ns, ConnectionState.CONNECTED)

    # From here on: called by libca's threads, one at a time. An exception would be lost, so none may get out.

    def _connection_changed(self, args: libca.ConnectionArgs) -> None:
        stream = self._ca.ca_puser(args.chid)
        channel = self._channels.get(stream)
        if channel is None:
            return
        up = args.op == libca.CONNECTION_UP
        if up:
            self._subscribe_updates(channel, args.chid)
        self._events.append((stream, up))

    def _subscribe_updates(self, channel: _Channel, chid: int) -> None:
        """Subscribe in the PV's own type; libca renews that by itself, but a PV may come back with another one."""
        lane = self._lane(self._ca.ca_field_type(chid), self._ca.ca_element_count(chid))
        if lane is None or lane is channel.lane:
            return
        if channel.lane is not None:
            self._ca.ca_clear_subscription(channel.subscription)
        channel.lane = lane
        status = self._ca.ca_create_subscription(
            libca.TIME_FORM + lane.kind,
            0 if lane.is_array else 1,
            chid,
            libca.VALUE_OR_ALARM,
            lane.handler,
            channel.stream,
            ctypes.byref(channel.subscription),
        )
        if status != libca.NORMAL:
            self._refused(channel.stream, status)
        self._ca.ca_flush_io()

    def _lane(self, kind: int, count: int) -> Lane | None:
        if not 0 <= kind < len(FieldType):
            return None  # gone again
        key = (FieldType(kind), count > 1)
        found = self._lanes.get(key)
        if found is None:
            found = self._lanes[key] = make_lane(*key, self._refused)
        return found

    def _refused(self, stream: int, status: int) -> None:
        self._errors.append((stream, self._ca.text(status)))

    def _exception(self, args: libca.ExceptionArgs) -> None:
        context = (args.context or b"").decode(errors="replace")
        self._errors.append((0, f"{self._ca.text(args.stat)} ({context})"))
