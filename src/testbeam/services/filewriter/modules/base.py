"""Base of the writer modules: the datasets of one stream in one group, and how rows get into them."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, TypeVar

import h5py
import numpy as np
from numpy.typing import NDArray

from testbeam.nexus.conversion import converted, differs
from testbeam.services.filewriter.batches import Rows, TimesNs
from testbeam.services.filewriter.columns import Column, ColumnSpec
from testbeam.services.filewriter.modules.config import Config

R = TypeVar("R", bound=Rows)
EPOCH = "1970-01-01T00:00:00Z"
TIME = (("start", EPOCH), ("units", "ns"))


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
    known: ClassVar[tuple[str, ...]] = ("chunk_size",)  # words of the config
    time_name: ClassVar[str]
    row_names: tuple[str, ...]  # the columns with one row a message, time among them

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

    @classmethod
    def options(cls) -> tuple[str, ...]:
        """Return the words that its config may have, beside those of every stream."""
        return (*cls.known, *(switch for _name, switch in cls.implies))

    def __init__(self, group: h5py.Group, config: Config) -> None:
        self.config = config
        self.warnings: list[str] = []
        self.narrowed = 0  # values that are others in the file, since its type does not hold them
        self.columns = {spec.name: Column(group, spec, config.compression) for spec in self.specs(config)}
        self.written = 0  # messages
        self.misfits = 0  # messages that can't go into these datasets
        self._latest_ns = 0
        self._runs: list[tuple[int, int]] = []  # (partition, first row of time) wherever the partition changes
        self._before: list[int] = []  # rows of time that are values before the start; the last one counts
        self._removed: NDArray[np.bool_] | None = None  # rows of time that a cut took away

    def write(self, times_ns: TimesNs, rows: R, partition: int = 0) -> None:
        """Take rows of the schema's kind, in order; times_ns (n,), n rows, all of one partition."""
        if len(times_ns):
            if not self._runs or self._runs[-1][0] != partition:
                self._runs.append((partition, self.columns[self.time_name].rows))
            self.written += len(times_ns)
            self._latest_ns = max(self._latest_ns, int(times_ns.max()))
            self._append(times_ns, rows)

    def write_before(self, times_ns: TimesNs, rows: R, partition: int = 0) -> None:
        """Take the one newest value before the start; a second call replaces it."""
        row, there = self.columns[self.time_name].rows, self.written
        self.write(times_ns, rows, partition)
        if self.written > there:
            self._before.append(row)

    def _stored(self, values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return values as a dataset of this type holds them; those that it does not hold are counted, and the first one is said."""
        if values.dtype == dtype:
            return values
        stored = converted(values, dtype)
        if np.can_cast(values.dtype, dtype, "safe") and not (values.dtype.kind in "iu" and dtype.kind == "f"):
            return stored
        changed = int(differs(values, stored).sum())
        if changed and not self.narrowed:
            what = f"{self.config.values.get('source', '')}: sent as {values.dtype}, and the dataset's type is {dtype}"
            self.warnings.append(f"{what}; values that it does not hold are changed, as {values[differs(values, stored)].flat[0]}")
        self.narrowed += changed
        return stored

    def _mend_cues(self, interval: int) -> None:
        """Set the cues anew: one every so many messages."""
        times = self.columns[self.time_name].dataset[:]
        at = np.arange(0, len(times), interval)
        self.columns["cue_index"].replace_from(0, at)
        self.columns["cue_timestamp_zero"].replace_from(0, times[at].astype(np.int64))

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
        self._removed = late = self.columns[self.time_name].dataset[:] > stop_ns
        for name in self.row_names:
            self.columns[name].keep(0, ~late)
        return int(late.sum())

    def sort(self) -> None:
        """Bring rows of several partitions into one order: by time, as far as the order within each partition allows.

        A value before the start that a newer one has replaced goes.
        """
        if len({partition for partition, _row in self._runs}) < 2:
            return
        self.flush()
        times = self.columns[self.time_name].dataset[:]
        before = [row if self._removed is None else row - int(self._removed[:row].sum()) for row in self._before]
        others = np.delete(np.arange(len(times)), before)
        order = np.r_[np.array(before[-1:], np.intp), others[_merged(times[others], self._partitions()[others])]]
        if not np.array_equal(order, np.arange(len(times))):
            self._arrange(order)

    def _partitions(self) -> NDArray[np.int64]:
        """Return the partition of each row of time, (n,)."""
        of_run, starts = np.array(self._runs, np.int64).T
        total = self.columns[self.time_name].rows if self._removed is None else len(self._removed)
        partitions: NDArray[np.int64] = np.repeat(of_run, np.diff(np.r_[starts, total]))
        return partitions if self._removed is None else partitions[~self._removed]

    def _arrange(self, order: NDArray[np.intp]) -> None:
        """Bring the rows of time, and all that go with them, into this order, without those that are not in it."""
        for name in self.row_names:
            self.columns[name].arrange(order)

    def finish(self) -> None:
        """Write what is only known at the end."""
        self.flush()


def _merged(times: NDArray[np.uint64], partitions: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the order that merges the rows of several partitions by time, equal ones by partition; each keeps its own order."""
    newest = times.copy()
    for partition in np.unique(partitions):
        here = partitions == partition
        newest[here] = np.maximum.accumulate(times[here])
    return np.lexsort((np.arange(len(times)), partitions, newest))
