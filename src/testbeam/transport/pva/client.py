"""PVs of one IOC read, written and watched by PV Access, with p4p.

p4p is imported with the first client, so that no deadline pays for it. Values come as p4p's raw structures (`nt=False`): what they
hold is decided in `pva_values.py`, the same for every PV.
"""

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from testbeam.errors import TransportError
from testbeam.model.deadline import Deadline
from testbeam.transport import epics_libraries
from testbeam.transport.epics_environment import PVA_PORT
from testbeam.transport.loopback import keep_on_loopback, leads_to_loopback_only
from testbeam.transport.pva.p4p_import import without_setuptools
from testbeam.transport.pva.values import assign, reading
from testbeam.wire.pv_reading import PvValue, Reading, Scalar

# pvxs asks a name server that has refused it again only after 10 s; a new context asks at once. Patience with one grows, for slow machines.
_FIRST_PATIENCE_S = 0.1
_LONGEST_PATIENCE_S = 1.6
# A server keeps 4 updates of a subscription by default and then overwrites the newest.
_MONITOR_REQUEST = "field()record[queueSize=64]"
_PUT_REQUEST = "field()record[block={block},process=passive]"


@dataclass(slots=True)
class PvaClient:
    """A client of the one server at `address`, reached by TCP as its name server; any thread may call, one after the other.

    `search_port` is given for a server that answers searches on UDP only: the one of EPICS base, QSRV 1. It accepts nobody for 5 s once a
    client has left before its hand-shake was over, so patience with a context is long there.
    """

    address: str
    port: int = PVA_PORT
    search_port: int | None = None
    protocol: str = "PVA"
    _context: Any = field(default=None)
    _context_class: Any = field(init=False)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self._context_class = _context_class()

    def __str__(self) -> str:
        return f"{self.address}:{self.port} (PVA)"

    def close(self) -> None:
        """End the connection and p4p's threads; the next call opens them again."""
        with self._lock:
            context, self._context = self._context, None
            if context is not None:
                context.close()

    def get(self, name: str, within_s: float) -> Reading:
        """Return the value of now.

        Raises:
            TransportError: no answer comes within `within_s` (the server is away, or has no such PV), or it refuses.
        """
        return reading(self._get(name, Deadline(within_s)))

    def put(self, name: str, value: PvValue | Sequence[Scalar], wait: bool, within_s: float) -> None:
        """Write; with `wait`, until the record and all it sets off have processed.

        Raises:
            TransportError: as `get`, or the value does not fit the PV.
        """
        deadline = Deadline(within_s)
        self._get(name, deadline)  # connects, if need be by several tries; the write itself is tried once
        request = _PUT_REQUEST.format(block="true" if wait else "false")
        with self._lock:
            put = partial(self._connected().put, name, builder=lambda target: assign(target, value), request=request, get=True)
            try:
                self._run(put, deadline.left_s)
            except Empty:
                raise TransportError(f"PV {name!r} at {self}: the write was not completed within {within_s:.3g} s") from None
            except Exception as error:  # p4p raises what the server says
                raise TransportError(f"PV {name!r} at {self} can't be written: {error}") from error

    def updates(self, name: str, within_s: float) -> Iterator[Reading]:
        """Yield the value of now and every change until `within_s` from the first `next()` on; closing the iterator unsubscribes.

        Raises:
            TransportError: the PV does not answer, or its connection is lost.
        """
        deadline = Deadline(within_s)
        self._get(name, deadline)
        context, woken = self._new_context(), threading.Event()
        with closing(context), closing(context.monitor(name, woken.set, request=_MONITOR_REQUEST)) as subscription:
            # p4p may call before `monitor` has returned, and that wake-up is the only one: look once in any case.
            woken.set()
            while woken.wait(deadline.left_s):
                woken.clear()
                while (update := subscription.pop()) is not None:
                    if isinstance(update, Exception):
                        raise TransportError(f"PV {name!r} at {self}: its connection is lost ({type(update).__name__}: {update})")
                    yield reading(update)

    def _get(self, name: str, deadline: Deadline) -> Any:
        patience_s = _FIRST_PATIENCE_S if self.search_port is None else _LONGEST_PATIENCE_S
        with self._lock:
            while True:
                context = self._connected()
                try:
                    return self._run(partial(context.get, name), min(patience_s, deadline.left_s))
                except Empty:
                    self.close()
                    patience_s = min(2 * patience_s, _LONGEST_PATIENCE_S)
                    if deadline.passed:
                        raise self._silent(name, deadline.within_s) from None
                except Exception as error:  # p4p raises what the server says
                    raise TransportError(f"PV {name!r} at {self} can't be read: {error}") from error

    def _run(self, start: Callable[[Callable[[Any], None]], Any], within_s: float) -> Any:
        """Return the result of one p4p operation; raise what it raises, or Empty."""
        results: SimpleQueue[Any] = SimpleQueue()
        with closing(start(results.put)):
            result = results.get(timeout=max(within_s, 0.001))
        if isinstance(result, Exception):
            raise result
        return result

    def _connected(self) -> Any:
        if self._context is None:
            self._context = self._new_context()
        return self._context

    def _new_context(self) -> Any:
        conf = {
            "EPICS_PVA_NAME_SERVERS": "" if self.search_port else f"{self.address}:{self.port}",
            "EPICS_PVA_ADDR_LIST": f"{self.address}:{self.search_port}" if self.search_port else "",
            "EPICS_PVA_AUTO_ADDR_LIST": "NO",
            "EPICS_PVA_BROADCAST_PORT": str(_free_udp_port()),  # it is bound, and fails where another program has the usual one alone
        }
        context = self._context_class("pva", conf=conf, useenv=False, nt=False)
        if leads_to_loopback_only(conf | {"EPICS_CA_AUTO_ADDR_LIST": "NO"}):
            keep_on_loopback()
        return context

    def _silent(self, name: str, within_s: float) -> TransportError:
        return TransportError(
            f"PV {name!r}: no answer from {self} within {within_s:.3g} s; either the IOC is not up, or it has no PV of this name"
        )


def _free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        number: int = one.getsockname()[1]
        return number


def _context_class() -> Any:
    """Return p4p's raw client; raise as `epics_libraries.missing` where it is not installed."""
    with suppress(ImportError), without_setuptools():
        from p4p.client.raw import Context

        return Context
    raise epics_libraries.missing("p4p")
