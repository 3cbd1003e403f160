"""Writer module ev42: neutron events, a pulse a message (NXevent_data), the older form of ev44.

Source: docs/reference/contracts/filewriter.md, "Writer modules".
"""

from typing import Any

import numpy as np

from testbeam.services.filewriter.batches import TimesNs
from testbeam.services.filewriter.columns import ColumnSpec
from testbeam.services.filewriter.modules import ev44
from testbeam.services.filewriter.modules.base import EPOCH, TIME
from testbeam.services.filewriter.modules.config import Config


class Module(ev44.Module):
    """Rows are `PulseEvents` objects; ids and times of flight are unsigned here."""

    schema = b"ev42"

    @classmethod
    def specs(cls, config: Config) -> tuple[ColumnSpec, ...]:
        """Return the datasets of ev44, in the types of ev42."""
        chunk = config.count("chunk_size", 2**16)
        small = min(chunk, 16_384)
        return (
            ColumnSpec(name="event_id", dtype="u4", chunk=chunk),
            ColumnSpec(name="event_time_offset", dtype="u4", chunk=chunk, attributes=(("units", "ns"),)),
            ColumnSpec(name="event_time_zero", dtype="u8", chunk=small, attributes=(*TIME, ("offset", EPOCH))),
            ColumnSpec(name="event_index", dtype="i8", chunk=small),
            ColumnSpec(name="cue_index", dtype="i8", chunk=small),
            ColumnSpec(name="cue_timestamp_zero", dtype="i8", chunk=small, attributes=TIME),
        )

    def _append(self, times_ns: TimesNs, rows: Any) -> None:
        first = self.columns["event_time_offset"].rows
        counts = np.array([len(row.time_of_flight_ns) for row in rows.values], np.int64)
        self.columns["event_time_zero"].append(times_ns.view(np.uint64))
        self.columns["event_index"].append(first + np.cumsum(counts) - counts)
        for row in rows.values:
            self.columns["event_time_offset"].append(row.time_of_flight_ns)
            self.columns["event_id"].append(row.detector_id)
        self._cue_full(times_ns, first + np.cumsum(counts), counts)
