"""Frozen values at the seams: what rooms say to each other, with no socket, thread or clock."""

from testbeam.model.columns import EventBatch, EventColumns, LogBatch, LogColumns
from testbeam.model.forwarding import ConfigChange, ForwarderCommand, Protocol, StreamSpec
from testbeam.model.runs import (
    ActionOutcome,
    ActionType,
    CommandAnswer,
    DetectorSpectrumMap,
    RunStart,
    RunStop,
    WritingFinished,
)
from testbeam.model.samples import Alarm, ConnectionChange, ConnectionState, Events, LogValue, Severity
from testbeam.model.status import ServiceStatus

__all__ = [
    "ActionOutcome",
    "ActionType",
    "Alarm",
    "CommandAnswer",
    "ConfigChange",
    "ConnectionChange",
    "ConnectionState",
    "DetectorSpectrumMap",
    "EventBatch",
    "EventColumns",
    "Events",
    "ForwarderCommand",
    "LogBatch",
    "LogColumns",
    "LogValue",
    "Protocol",
    "RunStart",
    "RunStop",
    "ServiceStatus",
    "Severity",
    "StreamSpec",
    "WritingFinished",
]
