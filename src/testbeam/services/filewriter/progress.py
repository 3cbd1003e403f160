"""When a partition, and with its last partition a job, has given all it will give.

Source: docs/reference/contracts/filewriter.md, "Time and order". Pure: times (ms since 1970) and offsets come in as arguments.
"""

from dataclasses import dataclass, field
from typing import TypeAlias

Place: TypeAlias = tuple[str, int]  # topic, partition
_MARKS_MS = 1000


@dataclass(slots=True)
class Partition:
    """How far one partition was read; `end_offset` is asked for, from `asked_ms` on, once the stop and its leeway are over."""

    next_offset: int
    kafka_ms: int = 0
    end_offset: int | None = None
    asked_ms: int = 0
    seen_offset: int = -1  # when it was last looked whether it gets on
    moved_ms: int = 0


@dataclass(slots=True, kw_only=True)
class Progress:
    """All partitions of a job that are still read; `leeway_ms` is how long after the stop late data are waited for."""

    leeway_ms: int
    open: dict[Place, Partition] = field(default_factory=dict)

    def read(self, place: Place, last_offset: int, kafka_ms: int) -> None:
        """Note the last message of a batch."""
        partition = self.open[place]
        partition.next_offset = last_offset + 1
        partition.kafka_ms = max(partition.kafka_ms, kafka_ms)

    def to_ask(self, stop_ms: int | None, now_ms: int) -> list[Place]:
        """Return the partitions whose end must be asked for now: nothing that comes later belongs to the job."""
        if stop_ms is None or now_ms <= stop_ms + self.leeway_ms:
            return []
        places = [place for place, partition in self.open.items() if partition.end_offset is None]
        for place in places:
            self.open[place].asked_ms = self.open[place].asked_ms or now_ms
        return places

    def answered(self, place: Place, end_offset: int) -> None:
        """Note the end of a partition."""
        self.open[place].end_offset = end_offset

    def stuck(self, timeout_ms: float, now_ms: int) -> list[str]:
        """Return, in words, the partitions that have not got on for so long, though their end is known or was asked for."""
        for partition in self.open.values():
            if partition.next_offset != partition.seen_offset:
                partition.seen_offset, partition.moved_ms = partition.next_offset, now_ms
        return [
            f"{topic}[{number}] was read to {partition.next_offset} of {partition.end_offset or 'nobody knows how many'}"
            for (topic, number), partition in self.open.items()
            if partition.asked_ms and now_ms > max(partition.asked_ms, partition.moved_ms) + timeout_ms
        ]

    def ended(self, place: Place, stop_ms: int | None, now_ms: int, *, sources_done: bool, at_end: bool) -> bool:
        """Tell whether a partition has nothing more for the job; never before the stop time is over, since it may be moved.

        `sources_done`: each source has come past the stop, by its own time and by Kafka's. A Kafka time ahead of now is that of a clock
        that jumped, and says nothing of the messages after it.
        `at_end`: Kafka said so; that alone counts a while after the end was asked, for partitions that end in transaction marks.
        """
        partition = self.open[place]
        if stop_ms is None or now_ms <= stop_ms:
            return False
        if partition.end_offset is None:
            read_out = False
        else:
            read_out = partition.next_offset >= partition.end_offset or (at_end and now_ms > partition.asked_ms + _MARKS_MS)
        return sources_done or read_out or stop_ms + self.leeway_ms < partition.kafka_ms <= now_ms
