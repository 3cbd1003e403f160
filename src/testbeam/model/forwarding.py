"""Streams of a forwarder, and the commands that change them."""

from dataclasses import dataclass
from enum import IntEnum


class Protocol(IntEnum):
    """How a PV is reached, as fc00 numbers it; FAKE makes random values without an IOC."""

    PVA = 0
    CA = 1
    FAKE = 2


class ConfigChange(IntEnum):
    """What an fc00 asks for."""

    ADD = 0
    REMOVE = 1
    REMOVEALL = 2
    REPLACE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSpec:
    """One stream of a forwarder: a PV (`channel`) sent in `schema` to `topic`; all five fields are its identity."""

    channel: str
    schema: str
    topic: str
    protocol: Protocol = Protocol.PVA
    periodic: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwarderCommand:
    """One fc00 message."""

    change: ConfigChange
    streams: tuple[StreamSpec, ...] = ()
