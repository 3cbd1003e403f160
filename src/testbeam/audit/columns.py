"""Columns of one source in one schema as they are compared, one entry a message or pulse."""

from abc import ABC, abstractmethod
from array import array
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbeam.audit import digests
from testbeam.audit.digests import Digests
from testbeam.audit.message import Message
from testbeam.model.samples import Alarm, ConnectionChange, LogValue
from testbeam.model.time import sound_ns
from testbeam.nexus.conversion import converted, differs

Ints = NDArray[np.int64]


def column() -> "array[int]":
    """Return an empty column of int64."""
    return array("q")


def as_ints(values: "array[int]") -> Ints:
    """Return a column as an array, without copying it; the column can't grow any more while the array lives."""
    return np.frombuffer(values, np.int64) if values else np.empty(0, np.int64)


@dataclass(slots=True)
class Columns(ABC):
    """Number (in the order of reading), partition, whether it came early, Kafka time and payload time of each message."""

    number: "array[int]" = field(default_factory=column)
    partition: "array[int]" = field(default_factory=column)
    early: "array[int]" = field(default_factory=column)
    kafka_ms: "array[int]" = field(default_factory=column)
    time_ns: "array[int]" = field(default_factory=column)

    def add(self, number: int, message: Message, value: Any, *, early: bool) -> None:
        """Take in one message and what it says; `early`: the writer did not have to read it."""
        self.number.append(number)
        self.partition.append(message.partition)
        self.early.append(early)
        self.kafka_ms.append(message.kafka_ms)
        self.time_ns.append(sound_ns(self._time_of(value)))
        self._keep(value)

    def _time_of(self, value: Any) -> int:
        return int(value.timestamp_ns)

    @abstractmethod
    def _keep(self, value: Any) -> None:
        """Take in what the schema has beside a time."""


@dataclass(slots=True)
class LogColumns(Columns):
    """f144: the values as they came."""

    values: list[Any] = field(default_factory=list)

    def _keep(self, value: LogValue) -> None:
        self.values.append(value.value)

    def digests(self, chosen: NDArray[np.intp], dtype: np.dtype[Any]) -> Digests:
        """Return the digests of these messages' values in a dataset of this type; arrays must have one length."""
        result = np.zeros(len(chosen), np.int64)
        kinds = np.array([self.values[at].dtype.str for at in chosen])
        for kind in set(kinds.tolist()):
            here = np.flatnonzero(kinds == kind)
            values = np.array([self.values[at] for at in chosen[here]])
            result[here] = digests.of_numbers(converted(values, dtype))
        return result

    def narrowed(self, chosen: NDArray[np.intp], dtype: np.dtype[Any]) -> int:
        """Return how many of these messages' numbers are others in a dataset of this type."""
        kinds = {self.values[at].dtype for at in chosen.tolist()} - {dtype}
        if not kinds:
            return 0
        values = [np.atleast_1d(self.values[at]) for at in chosen.tolist() if self.values[at].dtype in kinds]
        return sum(int(differs(value, converted(value, dtype)).sum()) for value in values)

    def lengths(self, chosen: NDArray[np.intp]) -> Ints:
        """Return how many numbers each of these messages holds."""
        return np.array([self.values[at].size for at in chosen], np.int64)


@dataclass(slots=True)
class AlarmColumns(Columns):
    """al00."""

    values: "array[int]" = field(default_factory=column)

    def _keep(self, value: Alarm) -> None:
        self.values.append(digests.of_alarm(value.severity, digests.stored_alarm_message(value.message)))


@dataclass(slots=True)
class ConnectionColumns(Columns):
    """ep01."""

    values: "array[int]" = field(default_factory=column)

    def _keep(self, value: ConnectionChange) -> None:
        self.values.append(int(value.state))


@dataclass(slots=True)
class EventColumns(Columns):
    """ev44: by message the number of events and whether they have pixel ids; by pulse its message, time, index and events."""

    events: "array[int]" = field(default_factory=column)
    has_ids: "array[int]" = field(default_factory=column)
    pulse_message: "array[int]" = field(default_factory=column)
    pulse_time_ns: "array[int]" = field(default_factory=column)
    pulse_index: "array[int]" = field(default_factory=column)
    pulse_events: "array[int]" = field(default_factory=column)
    time_of_flight: "array[int]" = field(default_factory=column)
    pixel_id: "array[int]" = field(default_factory=column)

    def _time_of(self, value: Any) -> int:
        """Return the time of the first pulse, 0 without a pulse."""
        return int(value.reference_time_ns[0]) if len(value.reference_time_ns) else 0

    def _keep(self, value: Any) -> None:
        total = len(value.time_of_flight_ns)
        ids = value.pixel_id if len(value.pixel_id) else np.full(total, digests.NO_PIXEL, np.int32)
        bounds = pulse_bounds(value.reference_time_index, total)
        for pulse, (time_ns, index) in enumerate(zip(value.reference_time_ns.tolist(), value.reference_time_index.tolist(), strict=True)):
            start, end = bounds[pulse], bounds[pulse + 1]
            self.pulse_message.append(len(self.events))
            self.pulse_time_ns.append(time_ns)
            self.pulse_index.append(index)
            self.pulse_events.append(end - start)
            self.time_of_flight.append(digests.of_bytes(value.time_of_flight_ns[start:end].tobytes()))
            self.pixel_id.append(digests.of_bytes(ids[start:end].tobytes()))
        self.events.append(total)
        self.has_ids.append(len(value.pixel_id) > 0)


@dataclass(slots=True)
class PulseColumns(EventColumns):
    """ev42: one pulse a message."""

    def _time_of(self, value: Any) -> int:
        return int(value.timestamp_ns)

    def _keep(self, value: Any) -> None:
        self.pulse_message.append(len(self.events))
        self.pulse_time_ns.append(sound_ns(self._time_of(value)))
        self.pulse_index.append(0)
        self.pulse_events.append(len(value.time_of_flight_ns))
        self.time_of_flight.append(digests.of_bytes(value.time_of_flight_ns.tobytes()))
        self.pixel_id.append(digests.of_bytes(value.detector_id.tobytes()))
        self.events.append(len(value.time_of_flight_ns))
        self.has_ids.append(1)


def pulse_bounds(index: NDArray[np.int32], total: int) -> list[int]:
    """Return where the events of each pulse of a message begin, and where the last ones end.

    Events before the first pulse's index count as its own. Where the index makes no sense all events count as the first pulse's.
    """
    starts = index.tolist()
    if all(earlier <= later for earlier, later in zip([0, *starts], [*starts, total], strict=True)):
        return [0, *starts[1:], total]
    return [0, *[total] * len(starts)]
