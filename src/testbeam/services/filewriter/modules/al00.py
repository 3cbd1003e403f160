"""Writer module al00: the alarms of a PV (NXlog). Source: docs/reference/contracts/filewriter.md, "Writer modules"."""

import h5py
import numpy as np

from testbeam.services.filewriter.batches import ObjectRows, TimesNs
from testbeam.services.filewriter.columns import ColumnSpec
from testbeam.services.filewriter.modules.base import TIME, WriterModule
from testbeam.services.filewriter.modules.config import Config

_BYTES = 200


class Module(WriterModule[ObjectRows]):
    """Rows are `Alarm` objects; a message longer than 200 bytes is cut at a character."""

    schema = b"al00"
    nx_class = "NXlog"
    time_name = "alarm_time"
    row_names = ("alarm_message", "alarm_severity", "alarm_time")

    @classmethod
    def specs(cls, config: Config) -> tuple[ColumnSpec, ...]:
        """Return message, severity and time."""
        chunk = config.count("chunk_size", 64)  # 12.8 kB; a chunk is on the disk with its first row
        return (
            ColumnSpec(name="alarm_message", dtype=h5py.string_dtype("utf-8", _BYTES), chunk=chunk),
            ColumnSpec(name="alarm_severity", dtype="i2", chunk=chunk),
            ColumnSpec(name="alarm_time", dtype="u8", chunk=chunk, attributes=TIME),
        )

    def _append(self, times_ns: TimesNs, rows: ObjectRows) -> None:
        self.columns["alarm_time"].append(times_ns.view(np.uint64))
        self.columns["alarm_severity"].append(np.array([row.severity for row in rows.values], np.int16))
        self.columns["alarm_message"].append(np.array([_cut(row.message) for row in rows.values], f"S{_BYTES}"))


def _cut(message: str) -> bytes:
    text = (message or "NO ALARM MESSAGE").encode()
    return text if len(text) <= _BYTES else text[:_BYTES].decode(errors="ignore").encode()
