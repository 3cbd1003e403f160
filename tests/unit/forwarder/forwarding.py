"""A forwarder's core with what the tests put into it and read from it; time is theirs."""

import logging
from dataclasses import dataclass, field
from typing import Any

from testbeam.model.forwarding import ConfigChange, ForwarderCommand, Protocol, StreamSpec
from testbeam.model.message_rows import MessageRows
from testbeam.model.samples import ConnectionState, Severity
from testbeam.model.updates import AlarmColumns, ConnectionColumns, Form, UpdateBatch, ValueColumns
from testbeam.runtime.counters import Drops
from testbeam.services.forwarder.core import Core, TimestampFilter
from testbeam.services.forwarder.repeats import Repeats
from testbeam.services.forwarder.status import Problems
from testbeam.services.forwarder.stream_table import Applied, StreamTable
from testbeam.wire.flatbuffers.registry import decode

LOG = logging.getLogger("test")
S = 1_000_000_000
NOW = 1_700_000_000 * S


def spec(channel: str, **changes: Any) -> StreamSpec:
    """Return a stream to topic `data`, unless `changes` say otherwise."""
    return StreamSpec(**{"channel": channel, "schema": "f144", "topic": "data", "protocol": Protocol.PVA, **changes})


def command(change: ConfigChange, *streams: StreamSpec) -> ForwarderCommand:
    return ForwarderCommand(change=change, streams=streams)


def values(stream: int, *rows: tuple[Any, int], dtype: str = "f8", form: Form = Form.SCALAR) -> UpdateBatch:
    """Return (value, time in ns) rows of one stream."""
    column = ValueColumns(
        form=form, dtype=dtype, stream=[stream] * len(rows), value=[r[0] for r in rows], timestamp_ns=[r[1] for r in rows]
    )
    return UpdateBatch(values=(column,))


def alarms(stream: int, *rows: tuple[Severity, str, int]) -> UpdateBatch:
    severity, message, times = zip(*rows, strict=True)
    return UpdateBatch(alarms=AlarmColumns(stream=[stream] * len(rows), timestamp_ns=times, severity=severity, message=message))


def connections(stream: int, *rows: tuple[ConnectionState, int]) -> UpdateBatch:
    states, times = zip(*rows, strict=True)
    return UpdateBatch(connections=ConnectionColumns(stream=[stream] * len(rows), timestamp_ns=times, state=states))


@dataclass
class Forwarding:
    """A core; `sent` reads what it would send."""

    period_ms: int | None = None
    times: TimestampFilter = field(default_factory=TimestampFilter)

    def __post_init__(self) -> None:
        self.streams = StreamTable(None if self.period_ms is None else Repeats(self.period_ms))
        self.drops = Drops(LOG)
        self.problems = Problems(LOG)
        self.core = Core("fw", self.streams, self.drops, self.problems, self.times)

    def do(self, change: ConfigChange, *streams: StreamSpec) -> Applied:
        applied = self.streams.apply(command(change, *streams))
        for number, _ in applied.removed:
            self.core.removed(number)
        return applied

    def add(self, *streams: StreamSpec) -> list[int]:
        return [number for number, _ in self.do(ConfigChange.ADD, *streams).added]

    def take(self, batch: UpdateBatch, now_ns: int = NOW) -> list[Any]:
        """Give the core a batch; return the messages that follow, decoded."""
        self.core.take(batch, now_ns)
        return self.sent()

    def sent(self) -> list[Any]:
        return [decode(payload) for _, messages in self.raw() for _, payload, _ in messages]

    def raw(self) -> list[tuple[str, list[tuple[bytes, bytes, int]]]]:
        """Return what waits, one by one."""
        return [
            (topic, [message for one in waiting for message in (one.messages() if isinstance(one, MessageRows) else (one,))])
            for topic, waiting in self.streams.outgoing()
        ]
