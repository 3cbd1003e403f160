"""Writer module f142: values of one source with the alarm of the same update (NXlog), the older form of f144.

Source: docs/reference/contracts/filewriter.md, "Writer modules".
"""

import h5py
import numpy as np
from numpy.typing import NDArray

from testbeam.errors import NexusError
from testbeam.model.samples import AlarmedLogValue, AlarmStatus
from testbeam.nexus.values import STRING, dtype_of
from testbeam.services.filewriter.batches import ObjectRows, TimesNs
from testbeam.services.filewriter.columns import ColumnSpec
from testbeam.services.filewriter.modules.base import TIME, WriterModule
from testbeam.services.filewriter.modules.config import Config
from testbeam.services.filewriter.modules.f144 import STATISTICS, Statistics

_TEXT_BYTES = 32  # of the name of an alarm


class Module(WriterModule[ObjectRows]):
    """Rows are `AlarmedLogValue` objects: `array_size` numbers each; texts and arrays of another length are counted as misfits."""

    schema = b"f142"
    nx_class = "NXlog"
    known = ("chunk_size", "array_size", "dtype", "type", "value_units", "unit", "units", "cue_interval", "meta_data")
    implies = (("ep01", "enable_epics_con_info"),)  # alarms it has itself
    time_name = "time"
    row_names = ("time", "value")

    @classmethod
    def specs(cls, config: Config) -> tuple[ColumnSpec, ...]:
        """Return value, times, alarms and cues."""
        dtype, chunk = dtype_of(config.text("dtype", "type", default="double"), config.place), config.count("chunk_size", 1024)
        if dtype == STRING:
            raise NexusError(config.place, "texts of f142 can't be written: its dtype can't be string")
        units, text = (("units", config.text("value_units", "unit", "units")),), f"S{_TEXT_BYTES}"
        return (
            ColumnSpec(name="value", dtype=dtype, chunk=chunk, row=(config.count("array_size", 1),), attributes=units),
            ColumnSpec(name="time", dtype="u8", chunk=chunk, attributes=TIME),
            ColumnSpec(name="alarm_status", dtype=text, chunk=64),
            ColumnSpec(name="alarm_severity", dtype=text, chunk=64),
            ColumnSpec(name="alarm_time", dtype="u8", chunk=64, attributes=TIME),
            ColumnSpec(name="cue_index", dtype="i8", chunk=chunk),
            ColumnSpec(name="cue_timestamp_zero", dtype="i8", chunk=chunk, attributes=TIME),
        )

    @classmethod
    def scalar_names(cls, config: Config) -> tuple[str, ...]:
        """Return the statistics, unless they are switched off."""
        return STATISTICS if config.flag("meta_data", default=True) else ()

    def __init__(self, group: h5py.Group, config: Config) -> None:
        super().__init__(group, config)
        self._dtype = np.dtype(self.columns["value"].spec.dtype)
        self._statistics = Statistics(group, config.text("value_units", "unit", "units")) if self.scalar_names(config) else None

    def write(self, times_ns: TimesNs, rows: ObjectRows, partition: int = 0) -> None:
        """Take rows; texts and arrays of another length are counted as misfits."""
        length = self.config.count("array_size", 1)
        fits = np.flatnonzero([_length(row) == length for row in rows.values])
        self.misfits += len(rows) - len(fits)
        super().write(times_ns[fits], rows.select(fits), partition)

    def _append(self, times_ns: TimesNs, rows: ObjectRows) -> None:
        first = self.columns["time"].rows
        self.columns["time"].append(times_ns.view(np.uint64))
        for time_ns, row in zip(times_ns, rows.values, strict=True):
            value = np.atleast_1d(row.value)
            self.columns["value"].append(value[np.newaxis])
            stored = self._stored(value, self._dtype)
            if self._statistics:
                self._statistics.add(stored)
            if row.status != AlarmStatus.NO_CHANGE:
                self._append_alarm(int(time_ns), row)
        interval = self.config.count("cue_interval", 2**31 - 1)
        at = np.arange(-first % interval, len(times_ns), interval) if "cue_interval" in self.config.values else np.empty(0, np.int64)
        self.columns["cue_index"].append(at + first)
        self.columns["cue_timestamp_zero"].append(times_ns[at])

    def _arrange(self, order: NDArray[np.intp]) -> None:
        super()._arrange(order)
        if self._statistics:
            self._statistics.recount(self.columns["value"].dataset)

    def finish(self) -> None:
        """Write minimum, maximum and mean."""
        super().finish()
        if self._statistics:
            self._statistics.write()

    def _append_alarm(self, time_ns: int, row: AlarmedLogValue) -> None:
        severity = "NO_CHANGE" if row.severity is None else row.severity.name
        self.columns["alarm_time"].append(np.array([time_ns], np.uint64))
        self.columns["alarm_status"].append(np.array([row.status.name.encode()], f"S{_TEXT_BYTES}"))
        self.columns["alarm_severity"].append(np.array([severity.encode()], f"S{_TEXT_BYTES}"))

    def _cut(self, stop_ns: np.uint64) -> int:
        removed = super()._cut(stop_ns)
        kept = self.columns["alarm_time"].dataset[:] <= stop_ns
        for name in ("alarm_status", "alarm_severity", "alarm_time"):
            self.columns[name].keep(0, kept)
        still = self.columns["cue_index"].dataset[:] < self.columns["time"].rows
        for name in ("cue_index", "cue_timestamp_zero"):
            self.columns[name].keep(0, still)
        if self._statistics:
            self._statistics.recount(self.columns["value"].dataset)
        return removed


def _length(row: AlarmedLogValue) -> int:
    value = row.value
    return -1 if isinstance(value, str | tuple) else int(np.size(value)) if np.asarray(value).dtype.kind in "biuf" else -1
