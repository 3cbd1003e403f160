"""Which messages follow from what PVs say? No clock, no socket: time comes in, messages come out.

Source: docs/reference/contracts/forwarder.md, "Messages".
"""

from dataclasses import dataclass

from testbeam.errors import WireError
from testbeam.model.samples import Alarm, ConnectionChange
from testbeam.model.updates import AlarmColumns, ConnectionColumns, Form, UpdateBatch, ValueColumns
from testbeam.runtime.counters import Drops
from testbeam.services.forwarder.ages import NEVER_NS, Ages
from testbeam.services.forwarder.problems import Problems
from testbeam.services.forwarder.serialisers.registry import SERIALISERS
from testbeam.services.forwarder.serialisers.seam import Serialise
from testbeam.services.forwarder.stream import Stream
from testbeam.services.forwarder.stream_set import StreamSet
from testbeam.wire.flatbuffers.schemas.alarm_al00 import encode_al00
from testbeam.wire.flatbuffers.schemas.connection_change_ep01 import encode_ep01

TOO_FAST = "came faster than they were taken"
_MS = 1_000_000  # ns


@dataclass(slots=True)
class Core:
    """Turns updates into messages that wait in the topics of `streams`; what can't go out is counted in `drops` with its reason."""

    service_id: str
    streams: StreamSet
    drops: Drops
    problems: Problems
    ages: Ages = Ages()
    updates: int = 0  # values sent, repeats apart

    def take(self, batch: UpdateBatch, now_ns: int) -> None:
        """Make the messages of a batch."""
        self._take_connections(batch.connections, now_ns)
        for columns in batch.values:
            self._take_values(columns, now_ns)
        self._take_alarms(batch.alarms, now_ns)
        if batch.dropped:
            self.drops.add(TOO_FAST, n=batch.dropped)
        for number, text in batch.problems:
            self._note(number, text)

    def repeat(self, now_ms: int) -> None:
        """Make the last message of each stream that is due again, at the Kafka time `now_ms`."""
        if self.streams.repeats is not None:
            for number, payload in self.streams.repeats.take_due(now_ms):
                self.streams.by_number[number].add(payload, now_ms)

    def _take_values(self, columns: ValueColumns, now_ns: int) -> None:
        """The hot path: an update costs a look-up, two comparisons, a filled template and a dictionary."""
        kind = (columns.form, columns.dtype)
        streams, repeats, ahead_ns = self.streams.by_number, self.streams.repeats, now_ns + self.ages.ahead_ns
        for number, value, timestamp_ns in columns.rows():
            stream = streams.get(number)
            if stream is None:
                continue  # removed while the update was under way
            last_ns = stream.last_ns
            if (last_ns == NEVER_NS or not last_ns <= timestamp_ns <= ahead_ns) and self._refuses(stream, timestamp_ns, last_ns, now_ns):
                continue
            if stream.kind != kind:
                stream.kind, stream.serialise = kind, _serialise(stream, *kind)
            try:
                payload = stream.serialise(value, timestamp_ns)
            except WireError as error:
                self.drops.add(f"{stream.spec.schema} can't carry {columns.kind}", f"{stream.spec.channel}: {error}")
                continue
            stream.last_ns = timestamp_ns
            stream.topic.messages.append((stream.key, payload, timestamp_ns // _MS))
            self.updates += 1
            if stream.repeats and repeats is not None:
                repeats.sent(number, payload, now_ns // _MS)

    def _take_alarms(self, columns: AlarmColumns, now_ns: int) -> None:
        rows = zip(columns.stream, columns.timestamp_ns, columns.severity, columns.message, strict=True)
        for number, timestamp_ns, severity, message in rows:
            stream = self.streams.by_number.get(number)
            if stream is None or stream.alarm == (severity, message) or self._refuses(stream, timestamp_ns, stream.alarm_ns, now_ns):
                continue
            stream.alarm, stream.alarm_ns = (severity, message), timestamp_ns
            alarm = Alarm(source_name=stream.spec.channel, timestamp_ns=timestamp_ns, severity=severity, message=message)
            stream.add(encode_al00(alarm), timestamp_ns // _MS)

    def _take_connections(self, columns: ConnectionColumns, now_ns: int) -> None:
        for number, seen_ns, state in zip(columns.stream, columns.timestamp_ns, columns.state, strict=True):
            stream = self.streams.by_number.get(number)
            if stream is None or stream.connection is state:
                continue
            timestamp_ns = self.ages.of_connection(seen_ns, stream.connection_ns, now_ns)
            stream.connection, stream.connection_ns = state, timestamp_ns
            seen = ConnectionChange(source_name=stream.spec.channel, timestamp_ns=timestamp_ns, state=state, service_id=self.service_id)
            stream.add(encode_ep01(seen), timestamp_ns // _MS)

    def _refuses(self, stream: Stream, timestamp_ns: int, last_ns: int, now_ns: int) -> bool:
        reason = self.ages.refusal(timestamp_ns, last_ns, now_ns)
        if reason is not None:
            self.drops.add(reason, f"{stream.spec.channel} at {timestamp_ns} ns since 1970")
        return reason is not None

    def _note(self, number: int, text: str) -> None:
        stream = self.streams.by_number.get(number)
        self.problems.note(text if stream is None else f"{stream.spec.channel} ({stream.spec.protocol.name}): {text}")


def _serialise(stream: Stream, form: Form, dtype: str) -> Serialise:
    """Return what serialises this kind of value; where the schema can't carry it, something that says so of each."""
    try:
        return SERIALISERS[stream.spec.schema](stream.spec.channel, form, dtype)
    except WireError as error:
        return _refuser(error)


def _refuser(error: WireError) -> Serialise:
    def refuse(_value: object, _timestamp_ns: int) -> bytes:
        raise WireError(error.schema, error.problem)

    return refuse
