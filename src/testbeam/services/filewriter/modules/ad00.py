"""Writer module ad00: images of an area detector (NXlog). Source: docs/reference/contracts/filewriter.md, "Writer modules"."""

import math

import numpy as np

from testbeam.errors import NexusError
from testbeam.nexus.values import STRING, dtype_of
from testbeam.services.filewriter.batches import ObjectRows, TimesNs
from testbeam.services.filewriter.columns import ColumnSpec
from testbeam.services.filewriter.modules.base import TIME, WriterModule
from testbeam.services.filewriter.modules.config import Config

_CHUNK_BYTES = 2**20


class Module(WriterModule[ObjectRows]):
    """Rows are `AreaImage` objects of the shape `array_size`; those of another are counted as misfits, and the job goes on."""

    schema = b"ad00"
    nx_class = "NXlog"
    known = ("chunk_size", "array_size", "dtype", "type", "value_units", "unit", "units", "cue_interval")
    time_name = "time"
    row_names = ("time", "value")

    @classmethod
    def specs(cls, config: Config) -> tuple[ColumnSpec, ...]:
        """Return images, times and cues."""
        dtype, shape = dtype_of(config.text("dtype", "type", default="float64"), config.place), config.counts("array_size")
        if dtype == STRING or not shape:
            raise NexusError(config.place, f"{cls.schema.decode()} needs `array_size`, the shape of an image, and a dtype of numbers")
        chunk = config.counts("chunk_size")
        rows = chunk[0] if len(chunk) == 1 + len(shape) else max(1, _CHUNK_BYTES // (math.prod(shape) * dtype.itemsize))
        units = (("units", config.text("value_units", "unit", "units")),)
        return (
            ColumnSpec(name="value", dtype=dtype, chunk=min(rows, 1024), row=shape, attributes=units),
            ColumnSpec(name="time", dtype="u8", chunk=1024, attributes=TIME),
            ColumnSpec(name="cue_index", dtype="i8", chunk=1024),
            ColumnSpec(name="cue_timestamp_zero", dtype="i8", chunk=1024, attributes=TIME),
        )

    def write(self, times_ns: TimesNs, rows: ObjectRows, partition: int = 0) -> None:
        """Take rows; images of another shape are counted as misfits."""
        shape = self.config.counts("array_size")
        fits = np.flatnonzero([not isinstance(image.data, str) and image.data.shape == shape for image in rows.values])
        self.misfits += len(rows) - len(fits)
        super().write(times_ns[fits], rows.select(fits), partition)

    def _append(self, times_ns: TimesNs, rows: ObjectRows) -> None:
        first, interval = self.columns["time"].rows, self.config.count("cue_interval", 1000)
        self.columns["time"].append(times_ns.view(np.uint64))
        for image in rows.values:
            self.columns["value"].append(image.data[np.newaxis])
        at = np.arange(-first % interval, len(times_ns), interval)
        self.columns["cue_index"].append(at + first)
        self.columns["cue_timestamp_zero"].append(times_ns[at])

    def _cut(self, stop_ns: np.uint64) -> int:
        removed = super()._cut(stop_ns)
        self._mend_cues(self.config.count("cue_interval", 1000))
        return removed

    def _arrange(self, order: np.ndarray[tuple[int], np.dtype[np.intp]]) -> None:
        super()._arrange(order)
        self._mend_cues(self.config.count("cue_interval", 1000))
