"""Which faults a run has now, who may change what, and that none outlives it."""

import itertools
import threading
from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from testbeam.errors import StackError

if TYPE_CHECKING:
    from testbeam.kit.faults.fault import Fault
    from testbeam.kit.faults.link import LinkFault
    from testbeam.kit.journal import Journal

F = TypeVar("F", bound="Fault")


class Board:
    """The faults of one run; safe from any thread. `memory` is what faults of one kind on one service share."""

    def __init__(self, journal: "Journal") -> None:
        self.memory: dict[tuple[str, str], Any] = {}
        self._journal = journal
        self._active: list[Fault] = []
        self._locks: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)
        self._signals: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._numbers = itertools.count(1)
        self._closed: set[str] = set()  # services that are being stopped; "" for all

    @property
    def active(self) -> "tuple[Fault, ...]":
        """Return what is broken now, the oldest first."""
        return tuple(self._active)

    def others(self, fault: F) -> tuple[F, ...]:
        """Return the other active faults of this kind on this service."""
        return tuple(other for other in self.active if other is not fault and type(other) is type(fault) and other.handle is fault.handle)

    def signals(self, service: str) -> threading.Lock:
        """Return the lock under which a service is stopped and continued by signals; hold it but shortly."""
        return self._signals[service]

    def begin(self, fault: "Fault") -> None:
        """Begin a fault and note it; raise what it raises."""
        name = fault.handle.name
        with self._locks[name]:
            if self._closed & {"", name}:
                raise StackError(f"{fault.kind}: service {name!r} is being stopped; nothing can be broken any more")
            fault.check()
            fault.number = next(self._numbers)
            self._active.append(fault)
            fault.is_active = True
            self._note(fault, "begin")
            try:
                fault.begin_it()
            except BaseException as error:
                self.end(fault, f"{type(error).__name__}: {error}")
                raise

    def end(self, fault: "Fault", why: str, *, for_good: bool = False) -> None:
        """End a fault, if it is active, and note it; raise what it raises."""
        with self._locks[fault.handle.name]:
            if not fault.is_active:
                return
            fault.is_active = False
            self._active.remove(fault)
            told: dict[str, Any] = {}
            try:
                told = fault.end_it(for_good=for_good)
            except BaseException as error:
                told = {"error": f"{type(error).__name__}: {error}"}
                raise
            finally:
                self._note(fault, "end", why=why, **told)

    def change(self, fault: "LinkFault", words: Mapping[str, Any]) -> None:
        """Change an active link fault and note it; raise what it raises."""
        with self._locks[fault.handle.name]:
            fault.change_it(words)
            self._note(fault, "change", changed=dict(words))

    def counts(self, fault: "LinkFault") -> dict[str, int]:
        """Return what an active link fault has counted."""
        with self._locks[fault.handle.name]:
            return fault.counts_now()

    def end_all(self, why: str, service: str = "") -> None:
        """End every fault, or those of one service, for good: the youngest first; none can begin after."""
        self._closed.add(service)
        for fault in reversed(self.active):
            if service in {"", fault.handle.name}:
                try:
                    self.end(fault, why, for_good=True)
                    fault.settle()
                except Exception as error:  # the rest must be mended, and the run stopped, all the same
                    self._journal.record("trouble", fault.handle.name, detail=f"{fault!r} could not be undone: {error}")

    def _note(self, fault: "Fault", phase: str, **more: Any) -> None:
        what: dict[str, Any] = {"phase": phase, "fault": fault.kind, "number": fault.number, "parameters": dict(fault.parameters)}
        self._journal.record("fault", fault.handle.name, **what, **more)

    def reopen(self, service: str) -> None:
        """Let a service be broken again whose name is taken once more."""
        self._closed.discard(service)
