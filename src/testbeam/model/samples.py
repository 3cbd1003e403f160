"""Messages of data topics: log values, alarms, connection changes, units, series of samples and of times, neutron events."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from testbeam.model.time import NS_PER_S

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Severity(IntEnum):
    """EPICS alarm severity as al00 carries it."""

    OK = 0
    MINOR = 1
    MAJOR = 2
    INVALID = 3


class ConnectionState(IntEnum):
    """State of the connection to a PV as ep01 carries it."""

    UNKNOWN = 0
    NEVER_CONNECTED = 1
    CONNECTED = 2
    DISCONNECTED = 3
    DESTROYED = 4
    CANCELLED = 5
    FINISHED = 6
    REMOTE_ERROR = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class LogValue:
    """One f144 message: a numeric scalar (0-d) or 1-D array at `timestamp_ns`; the dtype of `value` is the type on the wire."""

    source_name: str
    value: np.generic | NDArray[np.generic]
    timestamp_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One al00 message."""

    source_name: str
    timestamp_ns: int
    severity: Severity
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionChange:
    """One ep01 message; `service_id` names the forwarder that saw it."""

    source_name: str
    timestamp_ns: int
    state: ConnectionState
    service_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """One ev44 message.

    `reference_time_ns` (int64) holds the pulse times and `reference_time_index` (int32) the first event of each pulse;
    `time_of_flight_ns` and `pixel_id` (int32) have one entry an event; a monitor's `pixel_id` may be empty.
    """

    source_name: str
    message_id: int
    reference_time_ns: NDArray[np.int64]
    reference_time_index: NDArray[np.int32]
    time_of_flight_ns: NDArray[np.int32]
    pixel_id: NDArray[np.int32]


class AlarmStatus(IntEnum):
    """EPICS alarm status as f142 numbers it, which is `alarm.h` of EPICS base; NO_CHANGE stands for "not said"."""

    NO_ALARM = 0
    READ = 1
    WRITE = 2
    HIHI = 3
    HIGH = 4
    LOLO = 5
    LOW = 6
    STATE = 7
    COS = 8
    COMM = 9
    TIMED = 10
    HWLIMIT = 11
    CALC = 12
    SCAN = 13
    LINK = 14
    SOFT = 15
    BAD_SUB = 16
    UDF = 17
    DISABLE = 18
    SIMM = 19
    READ_ACCESS = 20
    WRITE_ACCESS = 21
    NO_CHANGE = 22


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmedLogValue:
    """One f142 message: a number, text, or 1-D array of either, with the alarm of the same update; a `severity` of None is "not said"."""

    source_name: str
    value: np.generic | NDArray[np.generic] | str | tuple[str, ...]
    timestamp_ns: int
    status: AlarmStatus = AlarmStatus.NO_CHANGE
    severity: Severity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitsChange:
    """One un00 message: the unit that a source's values have from `timestamp_ns` on; None for a source that has none."""

    source_name: str
    timestamp_ns: int
    units: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSeries:
    """One tdct message: `timestamps_ns` (n,) uint64, such as a chopper's top-dead-centres; `sequence_counter` counts the messages."""

    source_name: str
    timestamps_ns: NDArray[np.uint64]
    sequence_counter: int


class SampleLocation(IntEnum):
    """Which moment of a sample its time is: of its start, its middle or its end."""

    UNKNOWN = 0
    START = 1
    MIDDLE = 2
    END = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleSeries:
    """One se00 message: `values` (n,) sampled fast, with a time each in `timestamps_ns` (n,) int64, or none and `time_delta_ns` apart.

    `timestamp_ns` is the packet's time, which is that of the first sample where samples have none of their own.
    """

    source_name: str
    channel: int
    timestamp_ns: int
    time_delta_ns: float
    message_counter: int
    values: NDArray[np.generic]
    timestamps_ns: NDArray[np.int64]
    location: SampleLocation = SampleLocation.MIDDLE


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegerSampleSeries(SampleSeries):
    """One senv message, the older form of se00: `values` are integers, and times are uint64 on the wire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PulseEvents:
    """One ev42 message: the events of the pulse at `timestamp_ns`; `time_of_flight_ns` and `detector_id` are (n,) uint32."""

    source_name: str
    message_id: int
    timestamp_ns: int
    time_of_flight_ns: NDArray[np.uint32]
    detector_id: NDArray[np.uint32]


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheEntry:
    """One ns10 message: an entry of NICOS' cache, with its time in seconds since 1970 and its value as text."""

    key: str
    time_s: float
    ttl_s: float
    expired: bool
    value: str

    @property
    def source_name(self) -> str:
        """Return the key, by which it is told from others."""
        return self.key

    @property
    def timestamp_ns(self) -> int:
        """Return its time in ns since 1970; 0 for a time that is none."""
        return round(self.time_s * NS_PER_S) if abs(self.time_s) < 9e9 else 0
