"""Writer module ev44: neutron events by pulse (NXevent_data). Source: docs/reference/contracts/filewriter.md, "Writer modules".

Pulses without events are written, too: their number is what a count is normalised with.
"""

import h5py
import numpy as np
from numpy.typing import NDArray

from testbeam.services.filewriter.batches import EventRows, TimesNs
from testbeam.services.filewriter.columns import ColumnSpec
from testbeam.services.filewriter.events import NO_PIXEL, gather
from testbeam.services.filewriter.modules.base import EPOCH, TIME, WriterModule
from testbeam.services.filewriter.modules.config import Config

_PULSE_CHUNK = 16_384  # a chunk of 1 Mi pulses would take 8 MiB for a handful of them
_REMEMBERED = 65_536  # of these last messages with several pulses it is known which pulses belong together


class Module(WriterModule[EventRows]):
    """The time of a message is that of its first pulse.

    Events without pixel ids, as some monitors send them, get the pixel id -1: `event_id` has one entry an event, whatever was sent, since
    loaders take an empty one beside times of flight for a broken group.
    """

    schema = b"ev44"
    nx_class = "NXevent_data"
    keeps_before = False
    repeats = True
    known = ("chunk_size", "cue_interval", "adc_pulse_debug")
    time_name = "event_time_zero"
    row_names = ()  # rows are pulses and events

    @classmethod
    def specs(cls, config: Config) -> tuple[ColumnSpec, ...]:
        """Return ids, times of flight, pulse times, each pulse's first event, and the two cue datasets."""
        chunk = config.count("chunk_size", 2**16)
        small = min(chunk, _PULSE_CHUNK)
        return (
            ColumnSpec(name="event_id", dtype="i4", chunk=chunk),
            ColumnSpec(name="event_time_offset", dtype="i4", chunk=chunk, attributes=(("units", "ns"),)),
            ColumnSpec(name="event_time_zero", dtype="u8", chunk=small, attributes=(*TIME, ("offset", EPOCH))),
            ColumnSpec(name="event_index", dtype="i8", chunk=small),
            ColumnSpec(name="cue_index", dtype="i8", chunk=small),
            ColumnSpec(name="cue_timestamp_zero", dtype="i8", chunk=small, attributes=TIME),
        )

    def __init__(self, group: h5py.Group, config: Config) -> None:
        super().__init__(group, config)
        self._cue_interval = self._next_cue = config.count("cue_interval", 100_000_000)
        self._together = np.empty((0, 2), np.int64)  # (first pulse, pulses) of the last messages with other than one

    def _append(self, times_ns: TimesNs, rows: EventRows) -> None:
        columns = rows.columns
        first_event, first_pulse = self.columns["event_time_offset"].rows, self.columns["event_time_zero"].rows
        self.columns["event_time_zero"].append(columns.reference_time_ns.view(np.uint64))
        self.columns["event_index"].append(columns.event_index() + first_event)
        self.columns["event_time_offset"].append(columns.time_of_flight_ns)
        self._append_ids(columns.pixel_id, len(columns.time_of_flight_ns))
        self._remember(columns.pulse_count, first_pulse)
        self._cue_full(times_ns, first_event + np.cumsum(columns.event_count), columns.event_count)

    def _cue_full(self, times_ns: TimesNs, ends: NDArray[np.int64], counts: NDArray[np.int64]) -> None:
        """Set a cue at the first message that ends beyond each interval of events; `ends` (n,) is where each message's events end."""
        while len(ends) and ends[-1] >= self._next_cue:
            message = int(np.searchsorted(ends, self._next_cue))
            self._cue(int(ends[message] - counts[message]), times_ns[message])
            self._next_cue = int(ends[message]) + self._cue_interval

    def _append_ids(self, pixel_id: NDArray[np.int32], events: int) -> None:
        self.columns["event_id"].append(pixel_id if len(pixel_id) else np.full(events, NO_PIXEL, np.int32))

    def _remember(self, pulse_count: NDArray[np.int64], first_pulse: int) -> None:
        several = pulse_count > 1
        if several.any():
            firsts = first_pulse + np.cumsum(pulse_count) - pulse_count
            new = np.stack((firsts[several], pulse_count[several]), axis=1)
            self._together = np.concatenate((self._together, new))[-_REMEMBERED:]

    def _cue(self, event: int, time_ns: np.int64) -> None:
        self.columns["cue_index"].append(np.array([event], np.int64))
        self.columns["cue_timestamp_zero"].append(np.array([time_ns], np.int64))

    def _cut(self, stop_ns: np.uint64) -> int:
        late: NDArray[np.bool_] = self.columns["event_time_zero"].dataset[:] > stop_ns
        for first, pulses in self._together.tolist():
            late[first : first + pulses] = late[first]
        self._removed = late
        if late.any():
            self._arrange(np.flatnonzero(~late))
        return int(late.sum()) - sum(pulses - 1 for first, pulses in self._together.tolist() if late[first])

    def _arrange(self, order: NDArray[np.intp]) -> None:
        """Bring pulses and their events into this order; the events of a pulse reach to the next pulse's first.

        Only from the first pulse on that moves; a memory of their events is needed.
        """
        moved = int(np.argmax(np.r_[order != np.arange(len(order)), True]))
        total = self.columns["event_time_offset"].rows
        index = self.columns["event_index"].dataset[moved:]
        index = np.minimum.accumulate(np.clip(index, 0, total)[::-1])[::-1]  # a message may have sent a wrong one
        first = int(index[0]) if len(index) else total
        counts, pulses = np.diff(np.r_[index, total]), order[moved:] - moved
        events = gather(counts, pulses)
        for name in ("event_time_offset", "event_id"):
            self.columns[name].arrange_from(first, events)
        self.columns["event_time_zero"].arrange_from(moved, pulses)
        self.columns["event_index"].replace_from(moved, first + np.cumsum(counts[pulses]) - counts[pulses])
        self._mend_event_cues()

    def _mend_event_cues(self) -> None:
        """Set the cues anew: the first pulse that ends beyond each interval of events."""
        index, zero = self.columns["event_index"].dataset[:], self.columns["event_time_zero"].dataset[:]
        total, cues, due = self.columns["event_time_offset"].rows, [], self._cue_interval
        ends = np.r_[index[1:], total] if len(index) else index
        while len(ends) and ends[-1] >= due:
            pulse = int(np.searchsorted(ends, due))
            cues.append(pulse)
            due = int(ends[pulse]) + self._cue_interval
        self.columns["cue_index"].replace_from(0, index[cues].astype(np.int64))
        self.columns["cue_timestamp_zero"].replace_from(0, zero[cues].astype(np.int64))
