"""Writer module ep01: how the connection to a PV changed (NXlog). Source: docs/reference/contracts/filewriter.md, "Writer modules"."""

import numpy as np

from testbeam.services.filewriter.batches import ObjectRows, TimesNs
from testbeam.services.filewriter.columns import ColumnSpec
from testbeam.services.filewriter.modules.base import TIME, WriterModule
from testbeam.services.filewriter.modules.config import Config


class Module(WriterModule[ObjectRows]):
    """Rows are `ConnectionChange` objects."""

    schema = b"ep01"
    nx_class = "NXlog"
    time_name = "connection_status_time"
    row_names = ("connection_status", "connection_status_time")

    @classmethod
    def specs(cls, config: Config) -> tuple[ColumnSpec, ...]:
        """Return status and time."""
        chunk = config.count("chunk_size", 64)
        return (
            ColumnSpec(name="connection_status", dtype="i2", chunk=chunk),
            ColumnSpec(name="connection_status_time", dtype="u8", chunk=chunk, attributes=TIME),
        )

    def _append(self, times_ns: TimesNs, rows: ObjectRows) -> None:
        self.columns["connection_status_time"].append(times_ns.view(np.uint64))
        self.columns["connection_status"].append(np.array([row.state for row in rows.values], np.int16))
