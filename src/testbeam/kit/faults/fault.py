"""Faults of a run: each begun, noted in the journal, and undone at the end of its block whatever happens; none outlives the run."""

import itertools
import threading
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self, TypeVar

from testbeam.errors import StackError
from testbeam.kit.faults.links import Links
from testbeam.kit.protocols import HandleLike, JournalLike, ProcessLike

F = TypeVar("F", bound="Fault")

BLOCK = "its block is over"
RUN = "the service is being stopped"


class Fault(ABC):
    """One fault of one service, once: a context manager, or `begin` and `end` by hand (at a prompt).

    Faults nest and overlap, also of one kind on one service: what they break is restored when the last of them ends. A run that
    ends takes every fault back first.
    """

    kind: ClassVar[str]
    of_process: ClassVar[bool] = False  # it breaks the process that runs now, not what is around it

    def __init__(self, handle: HandleLike, **parameters: Any) -> None:
        self.handle = handle
        self.parameters = parameters  # as the journal shows them
        self.number = 0
        self.is_active = False
        self.last_counts: dict[str, int] = {}
        self.among: ActiveFaults | None = None  # where it is broken: in the process of the run
        self._is_used = False
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        words = ", ".join(f"{name}={value!r}" for name, value in self.parameters.items())
        return f"<fault {self.kind}({words}) of {self.handle.name}{', active' * self.is_active}>"

    def __enter__(self) -> Self:
        return self.begin()

    def __exit__(self, *_: object) -> None:
        self.end()

    def begin(self) -> Self:
        """Break it.

        Raises:
            StackError: that can't be done with this service, or not now; nothing is broken then.
        """
        if self._is_used:
            raise StackError(f"{self!r} was begun before; a fault begins once, make another")
        self._is_used = True
        self.handle.run.faults.begin(self)
        return self

    def end(self, why: str = BLOCK) -> None:
        """End it; once is enough, and from any thread.

        Raises:
            StackError: the service is not as it was (a killed one does not start again).
        """
        self.handle.run.faults.end(self, why)
        self.settle()

    # --- what each kind says; `begin_it` and `end_it` run under the service's lock ---

    @abstractmethod
    def check(self) -> None:
        """Raise StackError where it can't be done."""

    @abstractmethod
    def begin_it(self) -> None:
        """Break it; where this raises, `end_it` follows."""

    @abstractmethod
    def end_it(self, *, for_good: bool) -> dict[str, Any]:
        """End it unless others go on; return what the journal is to say. for_good: the service is about to be stopped."""

    def change_it(self, words: Mapping[str, Any]) -> None:  # noqa: ARG002 - for kinds that can
        """Change what is broken, without a moment of order between."""
        raise self.refuse("is under a fault that can't be changed", "end it, and begin another")

    def counts_now(self) -> dict[str, int]:
        """Return what it has counted since its beginning."""
        return {}

    # --- what several kinds need ---

    @property
    def faults(self) -> "ActiveFaults":
        """Return the faults that it is one of, once it is begun."""
        assert self.among is not None
        return self.among

    def settle(self) -> None:
        """Wait for the thread that it has of its own, which may need the lock."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def work(self, action: Callable[[], None]) -> None:
        """Do something in a thread of its own; `end_it` must see to it that this ends."""
        self._thread = threading.Thread(target=action, name=f"testbeam-{self.kind}-{self.handle.name}", daemon=True)
        self._thread.start()

    def refuse(self, why: str, way_out: str) -> StackError:
        """Return the error for what can't be done."""
        return StackError(f"{self.kind}: service {self.handle.name!r} {why}; {way_out}")

    def running(self) -> ProcessLike:
        """Return the process of the service.

        Raises:
            StackError: there is none to break.
        """
        process = self.handle.process
        if process is None:
            why = "runs elsewhere" if self.handle.service.external else f"is {self.handle.state}"
            raise self.refuse(why, "only a process of this run can be broken so; break its link, or start it first")
        if not process.is_running() or process.pid is None:
            raise self.refuse(f"is {self.handle.state} and {process.ending()}", "start it first")
        return process


class ActiveFaults:
    """The faults of one run; safe from any thread. `memory` is what faults of one kind on one service share."""

    def __init__(self, journal: JournalLike, links: Links) -> None:
        self.links = links
        self.memory: dict[tuple[str, str], Any] = {}
        self._journal = journal
        self._active: list[Fault] = []
        self._locks: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)
        self._signals: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._numbers = itertools.count(1)
        self._closed: set[str] = set()  # services that are being stopped; "" for all

    @property
    def active(self) -> tuple[Fault, ...]:
        """Return what is broken now, the oldest first."""
        return tuple(self._active)

    def others(self, fault: F) -> tuple[F, ...]:
        """Return the other active faults of this kind on this service."""
        return tuple(other for other in self.active if other is not fault and type(other) is type(fault) and other.handle is fault.handle)

    def signals(self, service: str) -> threading.Lock:
        """Return the lock under which a service is stopped and continued by signals; hold it but shortly."""
        return self._signals[service]

    def begin(self, fault: Fault) -> None:
        """Begin a fault and note it; raise what it raises."""
        name = fault.handle.name
        with self._locks[name]:
            if self._closed & {"", name}:
                raise StackError(f"{fault.kind}: service {name!r} is being stopped; nothing can be broken any more")
            fault.among = self
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

    def end(self, fault: Fault, why: str, *, for_good: bool = False) -> None:
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

    def change(self, fault: Fault, words: Mapping[str, Any]) -> None:
        """Change an active fault and note it; raise what it raises."""
        with self._locks[fault.handle.name]:
            fault.change_it(words)
            self._note(fault, "change", changed=dict(words))

    def counts(self, fault: Fault) -> dict[str, int]:
        """Return what an active fault has counted."""
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
                except Exception as error:  # the rest must be ended, and the run stopped, all the same
                    self._journal.record("trouble", fault.handle.name, detail=f"{fault!r} could not be undone: {error}")

    def _note(self, fault: Fault, phase: str, **more: Any) -> None:
        what: dict[str, Any] = {"phase": phase, "fault": fault.kind, "number": fault.number, "parameters": dict(fault.parameters)}
        self._journal.record("fault", fault.handle.name, **what, **more)

    def reopen(self, service: str) -> None:
        """Let a service be broken again whose name is taken once more."""
        self._closed.discard(service)
