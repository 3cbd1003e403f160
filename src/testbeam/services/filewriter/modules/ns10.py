"""Writer module ns10: numbers of NICOS' cache (NXlog). Source: docs/reference/contracts/filewriter.md, "Writer modules"."""

import numpy as np

from testbeam.services.filewriter.batches import ObjectRows, TimesNs
from testbeam.services.filewriter.columns import ColumnSpec
from testbeam.services.filewriter.modules.base import TIME, WriterModule
from testbeam.services.filewriter.modules.config import Config


class Module(WriterModule[ObjectRows]):
    """Rows are `CacheEntry` objects, whose key is the source's name; entries that are no number are counted as misfits."""

    schema = b"ns10"
    nx_class = "NXlog"
    known = ("chunk_size", "value_units", "unit", "units", "cue_interval")
    time_name = "time"
    row_names = ("time", "value")

    @classmethod
    def specs(cls, config: Config) -> tuple[ColumnSpec, ...]:
        """Return time, value and cues."""
        chunk = config.count("chunk_size", 1024)
        units = (("units", config.text("value_units", "unit", "units")),)
        return (
            ColumnSpec(name="time", dtype="u8", chunk=chunk, attributes=TIME),
            ColumnSpec(name="value", dtype="f8", chunk=chunk, attributes=units),
            ColumnSpec(name="cue_index", dtype="i8", chunk=chunk),
            ColumnSpec(name="cue_timestamp_zero", dtype="i8", chunk=chunk, attributes=TIME),
        )

    def write(self, times_ns: TimesNs, rows: ObjectRows, partition: int = 0) -> None:
        """Take rows; those that are no number are counted as misfits."""
        fits = np.flatnonzero([_number(row.value) is not None for row in rows.values])
        self.misfits += len(rows) - len(fits)
        super().write(times_ns[fits], rows.select(fits), partition)

    def _append(self, times_ns: TimesNs, rows: ObjectRows) -> None:
        self.columns["time"].append(times_ns.view(np.uint64))
        self.columns["value"].append(np.array([_number(row.value) for row in rows.values], np.float64))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
