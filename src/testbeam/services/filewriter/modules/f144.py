"""Writer module f144: the values of one source over time (NXlog). Source: docs/reference/contracts/filewriter.md, "Writer modules"."""

from collections.abc import Iterable
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5s
from numpy.typing import NDArray

from testbeam.errors import NexusError
from testbeam.nexus.values import STRING, dtype_of
from testbeam.services.filewriter.batches import LogRows, ObjectRows, TimesNs
from testbeam.services.filewriter.columns import ColumnSpec, file_of, make_scalar
from testbeam.services.filewriter.modules.base import TIME, R, WriterModule
from testbeam.services.filewriter.modules.config import Config

STATISTICS = ("minimum_value", "maximum_value", "average_value")
_BLOCK = 1_000_000


class Statistics:
    """Minimum, maximum and mean, written at the end as scalars beside the values; NaN values are left out, and without any they are NaN."""

    def __init__(self, group: h5py.Group, units: str) -> None:
        self._file, self._path = file_of(group), group.name
        for name in STATISTICS:
            make_scalar(group, name, units)
        self._reset()

    def _reset(self) -> None:
        self._minimum, self._maximum, self._sum, self._count = np.nan, np.nan, 0.0, 0

    def add(self, values: NDArray[Any]) -> None:
        """Count these values in."""
        if values.dtype.kind == "f" and np.isnan(values).any():
            values = values[~np.isnan(values)]
        if values.size:
            self._minimum = np.fmin(self._minimum, float(values.min()))
            self._maximum = np.fmax(self._maximum, float(values.max()))
            self._sum += float(values.sum(dtype=np.float64))
            self._count += values.size

    def recount(self, dataset: h5py.Dataset) -> None:
        """Begin anew from what is in the file."""
        self._reset()
        for start in range(0, len(dataset), _BLOCK):
            self.add(dataset[start : start + _BLOCK])

    def write(self) -> None:
        """Put the scalars into the file."""
        if self._count:
            for name, value in zip(STATISTICS, (self._minimum, self._maximum, self._sum / self._count), strict=True):
                h5d.open(self._file, f"{self._path}/{name}".encode()).write(h5s.ALL, h5s.ALL, np.array(value))


class Log(WriterModule[R]):
    """What scalars and arrays have in common."""

    schema = b"f144"
    nx_class = "NXlog"
    time_name = "time"
    row_names = ("time", "value")
    known = ("chunk_size", "array_size", "dtype", "type", "value_units", "unit", "units", "cue_interval", "meta_data")
    implies = (("ep01", "enable_epics_con_info"), ("al00", "enable_alarm_info"))

    @classmethod
    def specs(cls, config: Config) -> tuple[ColumnSpec, ...]:
        """Return time, value and the two cue datasets."""
        chunk, size = config.count("chunk_size", 1024), config.count("array_size", 1)
        row = (size,) if size > 1 else ()
        return (
            ColumnSpec(name="time", dtype="u8", chunk=chunk, attributes=TIME),
            ColumnSpec(name="value", dtype=_dtype(config), chunk=chunk, row=row, attributes=(("units", _units(config)),)),
            ColumnSpec(name="cue_index", dtype="i8", chunk=chunk),
            ColumnSpec(name="cue_timestamp_zero", dtype="i8", chunk=chunk, attributes=TIME),
        )

    @classmethod
    def scalar_names(cls, config: Config) -> tuple[str, ...]:
        """Return the statistics, unless they are switched off."""
        return STATISTICS if config.flag("meta_data", default=True) else ()

    def __init__(self, group: h5py.Group, config: Config) -> None:
        super().__init__(group, config)
        self._cue_interval = config.count("cue_interval", 0)
        self._dtype = _dtype(config)
        self._statistics = Statistics(group, _units(config)) if self.scalar_names(config) else None

    def _append_values(self, times_ns: TimesNs, runs: Iterable[NDArray[Any]]) -> None:
        first = self.columns["time"].rows
        self.columns["time"].append(times_ns.view(np.uint64))
        for values in runs:
            self.columns["value"].append(values)
            stored = self._stored(values, self._dtype)
            if self._statistics:
                self._statistics.add(stored)  # of what is stored, not of what was sent
        if self._cue_interval:
            at = np.arange(-first % self._cue_interval, len(times_ns), self._cue_interval)
            self.columns["cue_index"].append(at + first)
            self.columns["cue_timestamp_zero"].append(times_ns[at])

    def _cut(self, stop_ns: np.uint64) -> int:
        removed = super()._cut(stop_ns)
        self._mend()
        return removed

    def _arrange(self, order: NDArray[np.intp]) -> None:
        super()._arrange(order)
        self._mend()

    def _mend(self) -> None:
        """Count statistics and cues anew, from what is left in the file."""
        if self._statistics:
            self._statistics.recount(self.columns["value"].dataset)
        times = self.columns["time"].dataset
        kept = self.columns["cue_index"].dataset[:] < len(times)
        for name in ("cue_index", "cue_timestamp_zero"):
            self.columns[name].keep(0, kept)
        cues = self.columns["cue_index"].dataset[:]
        if len(cues):
            self.columns["cue_timestamp_zero"].dataset[:] = times[:][cues].astype(np.int64)

    def finish(self) -> None:
        """Write minimum, maximum and mean."""
        super().finish()
        if self._statistics:
            self._statistics.write()


class Arrays(Log[ObjectRows]):
    """Writes 1-D arrays, all of `array_size` values, one a row of a 2-D dataset."""

    shape = "array"

    def write(self, times_ns: TimesNs, rows: ObjectRows, partition: int = 0) -> None:
        """Take rows; those of another length are counted as misfits."""
        length = self.config.count("array_size", 1)
        fits = np.flatnonzero([len(array) == length for array in rows.values])
        self.misfits += len(rows) - len(fits)
        super().write(times_ns[fits], rows.select(fits), partition)

    def _append(self, times_ns: TimesNs, rows: ObjectRows) -> None:
        self._append_values(times_ns, [array[np.newaxis] for array in rows.values])


class Module(Log[LogRows]):
    """Writes scalars; with `array_size` above 1 the variant for arrays is taken."""

    @classmethod
    def variant(cls, config: Config) -> type[WriterModule[Any]]:
        """Return the class for scalars or for arrays."""
        return Arrays if config.count("array_size", 1) > 1 else cls

    def _append(self, times_ns: TimesNs, rows: LogRows) -> None:
        self._append_values(times_ns, rows.values())


def _units(config: Config) -> str:
    return config.text("value_units", "unit", "units")


def _dtype(config: Config) -> np.dtype[Any]:
    dtype = dtype_of(config.text("dtype", "type", default="double"), config.place)
    if dtype == STRING:
        raise NexusError(config.place, "f144 carries numbers: its dtype can't be string")
    return dtype
