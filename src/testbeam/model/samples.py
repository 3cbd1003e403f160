"""What one message of a data topic carries: log values, alarms, connection changes, neutron events."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

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
