"""PVs watched, read and written by PV Access.

p4p may lose the first wake-up of a subscription, so each is looked at once whether or not it woke. pvxs asks a name server that has
refused it again only after 10 s, so what is missing is asked for through a new context once a server listens again. An operation on a
context that is closed never ends: contexts that have some are kept.
Source: docs/reference/contracts/performance.md, "EPICS clients".
"""

import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from testbeam.errors import TransportError
from testbeam.transport import epics_libraries
from testbeam.transport.loopback import keep_on_loopback, leads_to_loopback_only
from testbeam.transport.pv_watch import PvSnapshot, Range
from testbeam.transport.pva.name_servers import NameServers, addresses
from testbeam.transport.pva.p4p_import import without_setuptools
from testbeam.transport.pva.values import assign, reading
from testbeam.transport.watched_pvs import Watched, WatchedPvs
from testbeam.wire.pv_reading import PvValue, Scalar

_LOOK_S = 0.1
_PATIENCE_S = 0.5  # after which a server is asked anew: it may have come back without our context's knowing
# Patience grows while nothing connects: a new context must not take the place of one that is about to, on a busy machine.
_LONGEST_PATIENCE_S = 8.0
_PUT_REQUEST = "field()record[block={block},process=passive]"


class PvaWatch(WatchedPvs):
    """A client of all PVA servers that the environment names."""

    def __init__(self) -> None:
        super().__init__()
        epics_libraries.folder("p4p")
        with without_setuptools():
            from p4p.client.raw import Context, Subscription  # late: 30 ms for programs that have no PV

        self._context_class, self._subscription_class = Context, Subscription
        raw: Any = super(Subscription, Subscription)
        self._pop: Callable[[Any], Any] = raw.pop  # p4p's own, without its wrapping of values
        self._request = Context.makeRequest("field()record[queueSize=16]")
        self._ready: SimpleQueue[Watched | None] = SimpleQueue()
        self._servers = NameServers(addresses(os.environ.get("EPICS_PVA_NAME_SERVERS", "")))
        self._retired: list[Any] = []
        self._operating: list[Any] = []  # the context of each operation that is under way
        self._patience_s = _PATIENCE_S
        self._doubt_s = 0.0
        self._stop = threading.Event()
        self._context = self._new_context()
        self._thread = threading.Thread(target=self._run, name="pva-watch", daemon=True)
        self._thread.start()

    def get(self, name: str, within_s: float) -> PvSnapshot:
        """Ask for the value; see `PvWatch`."""
        self._refuse_lost(name)
        return _snapshot(name, self._ask(name, "read", within_s, lambda context, done: context.get(name, done)))

    def put(self, name: str, value: PvValue | Sequence[Scalar], *, wait: bool = False, within_s: float = 10.0) -> None:
        """Write; see `PvWatch`."""
        request = _PUT_REQUEST.format(block="true" if wait else "false")
        builder, end_s = partial(_assign, value), time.monotonic() + within_s
        if not self.snapshot(name).connected:
            self._ask(name, "written", within_s, lambda context, done: context.get(name, done))  # connects; the write is never sent twice
        left_s = end_s - time.monotonic()
        self._ask(
            name, "written", left_s, lambda context, done: context.put(name, done, builder=builder, request=request, get=True), once=True
        )

    def close(self) -> None:
        """End everything; see `PvWatch`."""
        self._stop.set()
        self._ready.put(None)
        if threading.current_thread() is not self._thread:
            self._thread.join(2)
        with self._lock:
            for watched in self._watched.values():
                watched.subscription.close()
            for context in (self._context, *self._retired):
                context.close()
            self._servers.close()
            self._watched.clear()

    def _ask(
        self, name: str, doing: str, within_s: float, start: Callable[[Any, Callable[[Any], None]], Any], *, once: bool = False
    ) -> Any:
        """Return the result of one p4p operation; begun anew, unless `once`, through a context that takes the place of its own."""
        end_s = time.monotonic() + within_s
        while True:
            results: SimpleQueue[Any] = SimpleQueue()
            with self._lock:
                context = self._context_of(name)
                operation = start(context, results.put)
                self._operating.append(context)
            try:
                result = self._result(results, end_s, None if once else partial(self._is_of, name, context))
            finally:
                operation.close()
                with self._lock:
                    self._operating.remove(context)
            if result is _NOTHING and time.monotonic() >= end_s:
                raise TransportError(f"PV {name!r} was not {doing} within {within_s:.3g} s; is the IOC up, and has it a PV of this name?")
            if isinstance(result, Exception) and (once or self._is_of(name, context)):
                raise TransportError(f"PV {name!r} can't be {doing}: {result}")
            if not (result is _NOTHING or isinstance(result, Exception)):
                return result

    def _is_of(self, name: str, context: Any) -> bool:
        return context is self._context_of(name)

    def _context_of(self, name: str) -> Any:
        watched = self._watched.get(name)
        return watched.context if watched is not None and watched.snapshot.connected else self._context

    def _result(self, results: "SimpleQueue[Any]", end_s: float, lasts: Callable[[], bool] | None) -> Any:
        """Return what comes until `end_s`, or nothing as soon as the operation's context does not last; with None it does."""
        begin_s = time.monotonic()
        while (left_s := end_s - time.monotonic()) > 0 and (lasts is None or lasts()):
            if (result := _first(results, min(left_s, _LOOK_S))) is not _NOTHING:
                return result
            if lasts is not None and time.monotonic() - begin_s > _PATIENCE_S:
                self._renew_if_back()
        return _first(results, 0.0)

    def _renew_if_back(self) -> None:
        with self._lock:
            if time.monotonic() > self._doubt_s:
                self._servers.suspect()
            self._look_for_missing(always=True)

    def _run(self) -> None:
        while not self._stop.is_set():
            with suppress(Empty):
                watched = self._ready.get(timeout=_LOOK_S)
                if watched is not None:
                    self._take(watched)
                continue
            with self._lock:
                if not self._stop.is_set():
                    self._look_for_missing()

    def _take(self, watched: Watched) -> None:
        changed = False
        while (update := self._pop(watched.subscription)) is not None:
            changed = True
            if isinstance(update, Exception):
                watched.snapshot = replace(watched.snapshot, connected=False)
                self._servers.suspect()
            else:
                watched.snapshot = _snapshot(watched.name, update)
                self._patience_s = _PATIENCE_S
        if changed:
            self._tell(watched)

    def _subscribe(self, watched: Watched) -> None:
        watched.context = self._context
        watched.subscription = self._subscription_class(
            self._context._ctxt,  # noqa: SLF001 — the way around p4p's own work queue
            watched.name,
            None,
            handler=partial(self._ready.put, watched),
            pvRequest=self._request,
        )
        self._ready.put(watched)

    def _look_for_missing(self, *, always: bool = False) -> None:
        missing = [watched for watched in self._watched.values() if not watched.snapshot.connected]
        if not (missing or always) or not self._servers.some_came_back(time.monotonic_ns()):
            return
        self._retired.append(self._context)
        self._context = self._new_context()
        for watched in missing:
            watched.subscription.close()
            self._subscribe(watched)
        used = {id(context) for context in (*(watched.context for watched in self._watched.values()), *self._operating)}
        for context in [context for context in self._retired if id(context) not in used]:
            context.close()
            self._retired.remove(context)

    def _new_context(self) -> Any:
        self._servers.ask(time.monotonic_ns())
        self._doubt_s = time.monotonic() + self._patience_s
        self._patience_s = min(2 * self._patience_s, _LONGEST_PATIENCE_S)
        context = self._context_class("pva", nt=False, useenv=True)
        if leads_to_loopback_only(os.environ):
            keep_on_loopback()
        return context


_NOTHING = object()  # a put that went well comes back as None


def _first(results: "SimpleQueue[Any]", within_s: float) -> Any:
    with suppress(Empty):
        return results.get(timeout=max(within_s, 0.001))
    return _NOTHING


def _assign(value: PvValue | Sequence[Scalar], target: Any) -> None:
    assign(target, value)


def _snapshot(name: str, update: Any) -> PvSnapshot:
    precision = update.get("display.precision", None)
    return PvSnapshot(
        name=name,
        connected=True,
        reading=reading(update),
        display=_range(update, "display"),
        control=_range(update, "control"),
        precision=None if precision is None else int(precision),
    )


def _range(update: Any, which: str) -> Range | None:
    low, high = update.get(f"{which}.limitLow", None), update.get(f"{which}.limitHigh", None)
    return None if low is None or high is None else (float(low), float(high))
