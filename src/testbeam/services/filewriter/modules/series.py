"""Base of writer modules whose messages hold many samples each: se00, senv, tdct.

The time of a message is that of its first sample. A cue for each message leads to its samples. Samples after the stop are cut off at the
end, so that a message that reaches over it is kept in part; a source that sends to several partitions comes in the order of reading.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbeam.services.filewriter.batches import ObjectRows, TimesNs
from testbeam.services.filewriter.columns import ColumnSpec
from testbeam.services.filewriter.modules.base import TIME, WriterModule
from testbeam.services.filewriter.modules.config import Config

_SWITCHES = (("ep01", "enable_epics_con_info"), ("al00", "enable_alarm_info"))


class Series(WriterModule[ObjectRows]):
    """Rows are messages; a subclass gives their samples."""

    nx_class = "NXlog"
    time_name = "time"
    row_names: tuple[str, ...] = ("time",)
    implies = _SWITCHES

    @classmethod
    def specs(cls, config: Config) -> tuple[ColumnSpec, ...]:
        """Return time and the two cue datasets."""
        chunk = config.count("chunk_size", 1024)
        return (
            ColumnSpec(name="time", dtype="u8", chunk=chunk, attributes=TIME),
            ColumnSpec(name="cue_index", dtype="i8", chunk=chunk),
            ColumnSpec(name="cue_timestamp_zero", dtype="i8", chunk=chunk, attributes=TIME),
        )

    def _times_of(self, message: Any) -> NDArray[np.uint64]:
        raise NotImplementedError

    def _append(self, times_ns: TimesNs, rows: ObjectRows) -> None:
        for time_ns, message in zip(times_ns, rows.values, strict=True):
            first = self.columns["time"].rows
            times = self._times_of(message)
            self.columns["time"].append(times)
            self.columns["cue_index"].append(np.array([first], np.int64))
            self.columns["cue_timestamp_zero"].append(np.array([time_ns], np.int64))
            self._append_values(message)
            if len(times):
                self._latest_ns = max(self._latest_ns, int(times.max()))

    def _append_values(self, message: Any) -> None:
        """Take what there is beside times."""

    def _cut(self, stop_ns: np.uint64) -> int:
        late: NDArray[np.bool_] = self.columns["time"].dataset[:] > stop_ns
        cues = self.columns["cue_index"].dataset[:]
        messages = np.searchsorted(cues, np.arange(len(late)), "right") - 1
        kept = np.bincount(messages[~late], minlength=len(cues))
        gone = (kept == 0) & (np.diff(np.r_[cues, len(late)]) > 0)
        for name in self.row_names:
            self.columns[name].keep(0, ~late)
        self.columns["cue_index"].replace_from(0, (np.cumsum(kept) - kept)[~gone].astype(np.int64))
        self.columns["cue_timestamp_zero"].keep(0, ~gone)
        return int(gone.sum())

    def sort(self) -> None:
        """Leave the messages in the order of reading."""
