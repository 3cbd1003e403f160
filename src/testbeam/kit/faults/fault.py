"""What every fault is: begun, noted in the journal, and undone at the end of its block whatever happens."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Self

from testbeam.errors import StackError

if TYPE_CHECKING:
    from testbeam.kit.faults.board import Board
    from testbeam.kit.handle import Handle
    from testbeam.kit.process import Process

BLOCK = "its block is over"
RUN = "the service is being stopped"


class Fault(ABC):
    """One fault of one service, once: a context manager, or `begin` and `end` by hand (at a prompt).

    Faults nest and overlap, also of one kind on one service: what they break is mended when the last of them ends. A run that
    ends takes every fault back first.
    """

    kind: ClassVar[str]
    of_process: ClassVar[bool] = False  # it breaks the process that runs now, not what is around it

    def __init__(self, handle: "Handle", **parameters: Any) -> None:
        self.handle = handle
        self.parameters = parameters  # as the journal shows them
        self.number = 0
        self.is_active = False
        self._is_used = False
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        words = ", ".join(f"{name}={value!r}" for name, value in self.parameters.items())
        return f"<fault {self.kind}({words}) of {self.handle.name}{', active' * self.is_active}>"

    @property
    def board(self) -> "Board":
        """Return where the faults of the run are kept."""
        return self.handle.run.faults

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
        self.board.begin(self)
        return self

    def end(self, why: str = BLOCK) -> None:
        """Mend it; once is enough, and from any thread.

        Raises:
            StackError: the service is not as it was (a killed one does not start again).
        """
        self.board.end(self, why)
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
        """Mend it unless others go on; return what the journal is to say. for_good: the service is about to be stopped."""

    # --- what several kinds need ---

    def settle(self) -> None:
        """Wait for the thread that it has of its own, which may need the lock."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def work(self, deed: Callable[[], None]) -> None:
        """Do something in a thread of its own; `end_it` must see to it that this ends."""
        self._thread = threading.Thread(target=deed, name=f"testbeam-{self.kind}-{self.handle.name}", daemon=True)
        self._thread.start()

    def refuse(self, why: str, way_out: str) -> StackError:
        """Return the error for what can't be done."""
        return StackError(f"{self.kind}: service {self.handle.name!r} {why}; {way_out}")

    def running(self) -> "Process":
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
