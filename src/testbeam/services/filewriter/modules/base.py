"""What a writer module is: the datasets of one stream in one group, and how rows get into them."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, TypeVar

import h5py
import numpy as np

from testbeam.services.filewriter.columns import Column, ColumnSpec
from testbeam.services.filewriter.modules.config import Config
from testbeam.services.filewriter.rows import Rows
from testbeam.services.filewriter.window import TimesNs

R = TypeVar("R", bound=Rows)
TIME = (("start", "1970-01-01T00:00:00Z"), ("units", "ns"))


class WriterModule(ABC, Generic[R]):
    """One stream of a job; `write` takes rows in the order in which they go into the file.

    A subclass says which schema it reads and which of its messages (`shape` "array": f144 with arrays), whether the newest value before the
    start is kept and equal times are accepted, and which modules it brings along unless an option of its config is false.
    """

    schema: ClassVar[bytes]
    nx_class: ClassVar[str]
    shape: ClassVar[str] = ""
    keeps_before: ClassVar[bool] = True
    repeats: ClassVar[bool] = False
    implies: ClassVar[tuple[tuple[str, str], ...]] = ()
    time_name: ClassVar[str]
    row_names: ClassVar[tuple[str, ...]]  # the columns with one row a message, time among them

    @classmethod
    def variant(cls, config: Config) -> "type[WriterModule[Any]]":  # noqa: ARG003 — for those that have variants
        """Return the class for this config."""
        return cls

    @classmethod
    @abstractmethod
    def specs(cls, config: Config) -> tuple[ColumnSpec, ...]:
        """Return the growing datasets; none is made yet.

        Raises:
            NexusError: the config can't be used.
        """

    @classmethod
    def scalar_names(cls, config: Config) -> tuple[str, ...]:  # noqa: ARG003 — most have none
        """Return the names of further datasets."""
        return ()

    def __init__(self, group: h5py.Group, config: Config) -> None:
        self.config = config
        self.columns = {spec.name: Column(group, spec) for spec in self.specs(config)}
        self.written = 0
        self._latest_ns = 0
        self.misfits = 0  # rows that can't go into these datasets

    def write(self, times_ns: TimesNs, rows: R) -> None:
        """Take rows of the schema's kind (see `rows`), in order."""
        if len(times_ns):
            self.written += len(times_ns)
            self._latest_ns = max(self._latest_ns, int(times_ns.max()))
            self._append(times_ns, rows)

    @abstractmethod
    def _append(self, times_ns: TimesNs, rows: R) -> None: ...

    def flush(self) -> None:
        """Write what waits in memory to the datasets."""
        for column in self.columns.values():
            column.flush()

    def cut(self, stop_ns: int) -> int:
        """Remove what is later than a stop that was set after it was written; return how many messages went."""
        if self._latest_ns <= stop_ns:
            return 0
        self.flush()
        removed = self._cut(np.uint64(max(stop_ns, 0)))
        self.written -= removed
        return removed

    def _cut(self, stop_ns: np.uint64) -> int:
        kept = self.columns[self.time_name].dataset[:] <= stop_ns
        for name in self.row_names:
            self.columns[name].keep(0, kept)
        return int(len(kept) - kept.sum())

    def finish(self) -> None:
        """Write what is only known at the end."""
        self.flush()
