"""Writer module se00: samples of one source taken fast (NXlog). Source: docs/reference/contracts/filewriter.md, "Writer modules"."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbeam.errors import NexusError
from testbeam.model.samples import SampleSeries
from testbeam.nexus.values import STRING, dtype_of
from testbeam.services.filewriter.columns import ColumnSpec
from testbeam.services.filewriter.modules.config import Config
from testbeam.services.filewriter.modules.series import Series


class Module(Series):
    """Rows are `SampleSeries` objects; samples without times of their own are `time_delta_ns` apart from the packet's time on."""

    schema = b"se00"
    row_names = ("time", "value")
    known = ("chunk_size", "dtype", "type", "value_units", "unit", "units")

    @classmethod
    def specs(cls, config: Config) -> tuple[ColumnSpec, ...]:
        """Return value beside those of every series."""
        dtype = dtype_of(config.text("dtype", "type", default="int64"), config.place)
        if dtype == STRING:
            raise NexusError(config.place, f"{cls.schema.decode()} carries numbers: its dtype can't be string")
        units = (("units", config.text("value_units", "unit", "units")),)
        value = ColumnSpec(name="value", dtype=dtype, chunk=config.count("chunk_size", 1024), attributes=units)
        return (value, *super().specs(config))

    def _times_of(self, message: SampleSeries) -> NDArray[np.uint64]:
        return sample_times(message)

    def _append_values(self, message: Any) -> None:
        self.columns["value"].append(message.values)


def sample_times(message: SampleSeries) -> NDArray[np.uint64]:
    """Return the time of each sample, (n,) ns since 1970."""
    if len(message.timestamps_ns):
        return np.asarray(message.timestamps_ns).astype(np.uint64)
    steps = np.round(np.arange(len(message.values)) * message.time_delta_ns).astype(np.int64)
    return (message.timestamp_ns + steps).astype(np.uint64)
