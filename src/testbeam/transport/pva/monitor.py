"""PVs watched over PVA, with p4p, one queue of our own, and fields read straight from the structure.

p4p's own work queue costs twice as much an update, and p4p 4.3 may lose the first wake-up of a PV, which then never updates again: the
event can come before `monitor()` has returned the subscription it is for. Here an event only notes the stream's number, without any
Python, which would cost 10 µs an event in the fight with the drain for Python's lock; and every new subscription is looked at once
whether or not it woke.
Source: docs/reference/contracts/performance.md, "EPICS clients".
"""

import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from p4p.client.raw import Cancelled, Context, Disconnected, Finished, RemoteError, Subscription
from p4p.wrapper import Value

from testbeam.model.samples import ConnectionState
from testbeam.model.time import NS_PER_S
from testbeam.model.updates import Form, UpdateBatch
from testbeam.transport.loopback import keep_on_loopback, leads_to_loopback_only
from testbeam.transport.monitors.batch_builder import BatchBuilder
from testbeam.transport.monitors.protocols import Clock
from testbeam.transport.pva.monitor_values import Layout, dtype_of, layout_of
from testbeam.transport.pva.name_servers import NameServers, addresses
from testbeam.transport.pva.values import text_of

# Both ends keep 4 updates of a PV by default and then overwrite the newest: a burst within one look would lose some. That they did so is
# marked on the wire, but p4p does not tell; a queue that was full is all that can be seen.
_QUEUE = 64
_MOST_AT_ONCE = 20_000  # updates in one look: some 0.3 s, in which commands and the status wait
_REQUEST = Context.makeRequest(f"field()record[queueSize={_QUEUE}]")
_FIRST_HURRY_NS = 300_000_000
_HURRY_NS = 30_000_000_000  # pvxs ignores more frequent ones
_DOUBT_NS = NS_PER_S
_NO_STREAM = 0
_STATES = {
    Disconnected: ConnectionState.DISCONNECTED,
    Cancelled: ConnectionState.CANCELLED,
    Finished: ConnectionState.FINISHED,
    RemoteError: ConnectionState.REMOTE_ERROR,
}
_POP: Callable[[Any], Any] = super(Subscription, Subscription).pop  # p4p's own, without the wrapping of values: 3 µs each
_log = logging.getLogger(__name__)
_CHANGED: Callable[[Any, str], bool] = super(Value, Value).changed  # of one field, without the loop over several: 0.5 µs


class _Context(Context):  # type: ignore[misc]  # p4p has no annotations
    """A client, configured by the environment; its handlers are called as they are, without p4p's wrapping and logging."""

    def __init__(self) -> None:
        super().__init__("pva", nt=False, useenv=True)

    def watch(self, channel: str, handler: Callable[[], None]) -> Subscription:
        return Subscription(self._ctxt, channel, None, handler=handler, pvRequest=_REQUEST)


class _Ready:
    """Numbers of streams with updates that wait, and a thread that waits for the next one and says so."""

    def __init__(self) -> None:
        self._streams: SimpleQueue[int] = SimpleQueue()
        self.add, self.take, self.count = self._streams.put, self._streams.get_nowait, self._streams.qsize
        self._files: SimpleQueue[int | None] = SimpleQueue()  # to write to at the next event; None ends the thread
        self._is_asked = False
        self._thread: Thread | None = None

    def wake(self, file: int) -> None:
        """Have the pipe `file` written to, once, when the next stream is added, or now if one waits."""
        if self._thread is None:
            self._thread = Thread(target=self._wait, name="testbeam-pva-wake", daemon=True)
            self._thread.start()
        if not self._is_asked:
            self._is_asked = True
            self._files.put(file)

    def close(self) -> None:
        """End the thread; may be called twice."""
        if self._thread is not None:
            self._files.put(None)
            self.add(_NO_STREAM)
            self._thread.join()
            self._thread = None

    def _wait(self) -> None:
        while (file := self._files.get()) is not None:
            stream = self._streams.get()
            self._is_asked = False  # before the stream is back: who finds none then asks again
            self.add(stream)
            with suppress(OSError):  # it is full: the reader wakes all the same
                os.write(file, b"!")


class _Watched:
    """One subscription: `layout` is None while it is not connected."""

    __slots__ = ("channel", "context", "layout", "pop", "seen_ns", "stream", "subscription", "units")

    def __init__(self, stream: int, channel: str, units: bool) -> None:
        self.stream = stream
        self.channel = channel
        self.units = units
        self.layout: Layout | None = None
        self.seen_ns = -1

    def start(self, context: _Context, ready: _Ready) -> None:
        self.context = context
        self.subscription = context.watch(self.channel, partial(ready.add, self.stream))
        self.pop = partial(_POP, self.subscription)
        ready.add(self.stream)


class PvaMonitors:
    """Watches PVs over PVA."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ready = _Ready()
        self._watched: dict[int, _Watched] = {}
        self._missing: set[int] = set()
        self._builder = BatchBuilder()
        self._hurry_ns = 0
        self._servers = NameServers(addresses(os.environ.get("EPICS_PVA_NAME_SERVERS", "")))
        self._loopback_only = leads_to_loopback_only(os.environ)
        self._retired: list[_Context] = []
        self._context = self._new_context()
        self._doubt_ns: int | None = None

    def subscribe(self, stream: int, channel: str, *, units: bool = False) -> None:
        """Watch a PV; see `Monitors`."""
        watched = self._watched[stream] = _Watched(stream, channel, units)
        self._missing.add(stream)
        self._doubt_ns = time.monotonic_ns() + _DOUBT_NS
        watched.start(self._context, self._ready)

    def unsubscribe(self, stream: int) -> None:
        """Stop watching; see `Monitors`."""
        watched = self._watched.pop(stream, None)
        self._missing.discard(stream)
        if watched is not None:
            watched.subscription.close()
            self._close_unused()

    def drain(self) -> UpdateBatch:
        """Take the updates that wait in p4p, up to a number that holds nobody up for long; see `Monitors`."""
        with suppress(Empty):  # the thread that waits may have one in hand: it brings it back, and says so
            self._take_all()
        if self._missing:
            self._look_for_missing()
        return self._builder.take()

    def wake(self, file: int) -> None:
        """Have a pipe written to when the next update comes; see `Monitors`."""
        self._ready.wake(file)

    def close(self) -> None:
        """Close all subscriptions and contexts."""
        for watched in self._watched.values():
            watched.subscription.close()
        self._watched.clear()
        self._missing.clear()
        self._servers.close()
        for context in (self._context, *self._retired):
            context.close()
        self._retired.clear()
        self._ready.close()

    def _take_all(self) -> None:
        ready, taken = self._ready, 0
        for _ in range(ready.count()):
            watched = self._watched.get(ready.take())
            if watched is not None:
                try:
                    taken += self._take(watched)
                except UnicodeDecodeError as error:  # in an array of texts, a table, or an image's attributes
                    self._builder.problems.append((watched.stream, f"an update is left out: {error.object[:40]!r} is no UTF-8"))
                    ready.add(watched.stream)  # for what waits behind it
                if taken >= _MOST_AT_ONCE:
                    break  # the others are still in `ready`

    def _take(self, watched: _Watched) -> int:
        """Take what waits of one PV, and return how many updates that were."""
        pop, builder, stream = watched.pop, self._builder, watched.stream
        count = 0
        while (update := pop()) is not None:
            count += 1
            if isinstance(update, Exception):
                self._lost(watched, update)
                continue
            layout = watched.layout
            is_first = layout is None
            if layout is None:
                layout = self._connected(watched, update)
            if layout.has_time:
                time_ns = update["timeStamp.secondsPastEpoch"] * NS_PER_S + update["timeStamp.nanoseconds"]
            else:
                time_ns = self._clock()
            if layout.has_alarm and (is_first or _CHANGED(update, "alarm")):  # a server need not mark what it has never set
                builder.alarm(stream, time_ns, update["alarm.severity"], text_of(update, "alarm.message"))
            if watched.units and layout.has_units and _CHANGED(update, "display.units"):
                builder.unit(stream, time_ns, text_of(update, "display.units"))
            if time_ns == watched.seen_ns and not update.changed(layout.field):
                continue  # only alarm or properties changed: limits, units, description
            watched.seen_ns = time_ns
            value = layout.read(update)
            streams, values, times = builder.rows(layout.form, layout.dtype or dtype_of(value))
            streams.append(stream)
            values.append(value)
            times.append(time_ns)
        if count >= _QUEUE:
            builder.overruns.append(stream)
        return count

    def _connected(self, watched: _Watched, update: Any) -> Layout:
        watched.layout = layout = layout_of(update)
        watched.seen_ns = -1
        self._missing.discard(watched.stream)
        seconds = update["timeStamp.secondsPastEpoch"] if layout.has_time else 0
        time_ns = seconds * NS_PER_S + update["timeStamp.nanoseconds"] if layout.has_time else self._clock()
        self._builder.connection(watched.stream, time_ns, ConnectionState.CONNECTED)
        if layout.form is Form.OTHER:
            self._builder.problems.append((watched.stream, f"a {update.getID()} holds no number, text, enum, array, table or image"))
        return layout

    def _lost(self, watched: _Watched, why: Exception) -> None:
        state = next((state for kind, state in _STATES.items() if isinstance(why, kind)), ConnectionState.UNKNOWN)
        if watched.layout is not None or state is not ConnectionState.DISCONNECTED:
            self._builder.connection(watched.stream, self._clock(), state)
        if state is not ConnectionState.DISCONNECTED:
            self._builder.problems.append((watched.stream, f"{type(why).__name__}: {why}"))
        watched.layout = None
        self._missing.add(watched.stream)
        self._servers.suspect()

    def _look_for_missing(self) -> None:
        now_ns = time.monotonic_ns()
        if self._doubt_ns is not None and now_ns >= self._doubt_ns:
            self._doubt_ns = None
            self._servers.suspect()  # the context may have lost a server without a PV to tell us
        if self._servers.some_came_back(now_ns):
            self._renew()
        if now_ns >= self._hurry_ns:
            self._hurry_ns = now_ns + _HURRY_NS
            self._context.hurryUp()

    def _renew(self) -> None:
        """Subscribe what is missing through a new context, which asks the name servers at once."""
        self._retired.append(self._context)
        self._context = self._new_context()
        for stream in self._missing:
            watched = self._watched[stream]
            watched.subscription.close()
            watched.start(self._context, self._ready)
        self._close_unused()
        _log.debug("a PVA server answers again: asking it for %d PVs", len(self._missing))

    def _new_context(self) -> _Context:
        now_ns = time.monotonic_ns()
        self._servers.ask(now_ns)
        self._hurry_ns = now_ns + _FIRST_HURRY_NS
        context = _Context()
        if self._loopback_only:
            keep_on_loopback()
        return context

    def _close_unused(self) -> None:
        if not self._retired:
            return
        used = {id(watched.context) for watched in self._watched.values()}
        for context in self._retired:
            if id(context) not in used:
                context.close()
        self._retired = [context for context in self._retired if id(context) in used]
