"""Core of the forwarder: updates of PVs in, messages out. No clock, no socket: time comes in with the call.

Source: docs/reference/contracts/forwarder.md, "Messages".
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from testbeam.errors import WireError
from testbeam.model.samples import Alarm, ConnectionChange, UnitsChange
from testbeam.model.time import EPICS_EPOCH_NS, NS_PER_MS, NS_PER_S
from testbeam.model.updates import AlarmColumns, ConnectionColumns, Form, UnitsColumns, UpdateBatch, ValueColumns
from testbeam.runtime.counters import Drops
from testbeam.services.forwarder.serialisers import SERIALISERS, WITH_ALARM, Serialise
from testbeam.services.forwarder.status import Problems
from testbeam.services.forwarder.stream_table import ALARM, CONNECTION, NEVER_NS, UNITS, Stream, StreamTable
from testbeam.wire.flatbuffers.schemas.alarm_al00 import encode_al00
from testbeam.wire.flatbuffers.schemas.connection_change_ep01 import encode_ep01
from testbeam.wire.flatbuffers.schemas.units_change_un00 import encode_un00

if TYPE_CHECKING:
    from testbeam.services.forwarder.fast_f144 import FastF144

TOO_FAR_AHEAD = "more than 10 min ahead"
OLDER_THAN_SENT = "older than the one sent before"
FIRST_TOO_OLD = "first value too old"
BEFORE_1970 = "before 1970"
TOO_FAST = "came faster than they were taken"
OVERRUN = "the PV's queue was full: its newest update stands for an unknown number"
MISSED = "never came: a gap in the count of the source"

_FAST = "f144"
_FAST_FORMS = (Form.SCALAR, Form.ENUM)
_NO_TIMES = (0, EPICS_EPOCH_NS)
_NEVER_PROCESSED_NS = EPICS_EPOCH_NS + 1  # just after EPICS' epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class TimestampFilter:
    """Limits to the EPICS time of an update, in ns; without `first_ns` a PV's first update may be of any age."""

    ahead_ns: int = 600 * NS_PER_S
    first_ns: int | None = None

    def refusal(self, timestamp_ns: int, last_ns: int, now_ns: int) -> str | None:
        """Return why an update must not go out after one of `last_ns`, or None; an equal time may."""
        if timestamp_ns > now_ns + self.ahead_ns:
            return TOO_FAR_AHEAD
        if timestamp_ns < 0:
            return BEFORE_1970
        if timestamp_ns < last_ns:
            return OLDER_THAN_SENT
        if last_ns == NEVER_NS and self.first_ns is not None and timestamp_ns < now_ns - self.first_ns:
            return FIRST_TOO_OLD
        return None

    def of_connection(self, timestamp_ns: int, last_ns: int, now_ns: int) -> int:
        """Return the time to give a connection change that must not be lost: its own, else now.

        A record that comes back with its IOC may bear an older time than the loss of its connection, and one that was never
        processed bears that of 1990; readers would take such a CONNECTED for older than the DISCONNECTED and drop it.
        """
        is_fit = max(last_ns, _NEVER_PROCESSED_NS) <= timestamp_ns <= now_ns + self.ahead_ns
        return timestamp_ns if is_fit else max(now_ns, last_ns)


@dataclass(slots=True)
class Core:
    """Turns updates into messages that wait in the topics of `streams`; what can't go out is counted in `drops` with its reason."""

    service_id: str
    streams: StreamTable
    drops: Drops
    problems: Problems
    times: TimestampFilter = TimestampFilter()
    updates: int = 0  # values made into messages, repeats apart
    _updates_of: Counter[int] = field(default_factory=Counter)  # by stream number, those of the fast path apart
    _fast: "FastF144 | None" = None

    def take(self, batch: UpdateBatch, now_ns: int) -> None:
        """Make the messages of a batch."""
        self._take_connections(batch.connections, now_ns)
        ahead = self._note_alarms_ahead(batch.alarms)
        for columns in batch.values:
            self._take_columns(columns, now_ns)
        for stream in ahead:
            stream.alarms_ahead = []
        self._take_alarms(batch.alarms, now_ns)
        self._take_units(batch.units, now_ns)
        if batch.dropped:
            self.drops.add(TOO_FAST, n=batch.dropped)
        for number in batch.overruns:
            if number in self.streams.by_number:
                self.drops.add(OVERRUN, self.streams.by_number[number].spec.channel)
        for number, text in batch.problems:
            self._note(number, text)

    def repeat(self, now_ms: int) -> None:
        """Make the last message of each stream that is due again, at the Kafka time `now_ms`."""
        if self.streams.repeats is not None:
            for number, payload in self.streams.repeats.take_due(now_ms):
                stream = self.streams.by_number[number]
                stream.topic.messages.append((stream.key, payload, now_ms))

    def removed(self, number: int) -> None:
        """Forget what was kept of a stream apart from the table."""
        self._updates_of.pop(number, None)
        if self._fast is not None:
            self._fast.forget(number)

    def _take_columns(self, columns: ValueColumns, now_ns: int) -> None:
        if self._fast is None:
            self._take_rows(columns, now_ns)
            return
        count, rest = self._fast.take(columns, now_ns + self.times.ahead_ns)
        if count:
            self.updates += count
        if rest is not None:
            self._take_rows(rest, now_ns)

    def updates_of(self, number: int) -> int:
        """Return how many values of a stream were made into messages."""
        return self._updates_of[number] + (self._fast.updates_of(number) if self._fast is not None else 0)

    def _take_rows(self, columns: ValueColumns, now_ns: int) -> None:
        """Take updates one by one: each costs a look-up, two comparisons, a filled template and a dictionary."""
        kind = (columns.form, columns.dtype)
        table, last_of, newest = self.streams.by_number, self.streams.last_ns, self.streams.newest
        repeats, ahead_ns = self.streams.repeats, now_ns + self.times.ahead_ns
        for number, value, timestamp_ns in columns.rows():
            stream = table.get(number)
            if stream is None:
                continue  # removed while the update was under way
            last_ns = last_of[number]
            if (last_ns == NEVER_NS or not last_ns <= timestamp_ns <= ahead_ns) and self._refuses(stream, timestamp_ns, last_ns, now_ns):
                continue
            if stream.value_kind != kind:
                stream.value_kind, stream.serialise = kind, _serialise(stream, *kind)
                self._learn(stream, *kind)
            try:
                payload = stream.serialise(value, timestamp_ns)
            except Exception as error:  # whatever a PV holds: the others go on
                self._failed(stream, columns, value, error)
                continue
            if payload is None:
                continue
            last_of[number] = timestamp_ns
            message = (stream.key, payload, timestamp_ns // NS_PER_MS)
            if self._fast is None or not self._fast.keep(number, payload):
                newest[number] = message
            stream.topic.messages.append(message)
            self.updates += 1
            self._updates_of[number] += 1
            if stream.repeats and repeats is not None:
                repeats.sent(number, payload, now_ns // NS_PER_MS)
            if stream.missed:
                self.drops.add(MISSED, stream.spec.channel, stream.missed)
                stream.missed = 0

    def _failed(self, stream: Stream, columns: ValueColumns, value: Any, error: Exception) -> None:
        where = f"{stream.spec.channel}: {error}" if isinstance(error, WireError) else f"{stream.spec.channel}: {error!r} of {value!r:.200}"
        self.drops.add(f"{stream.spec.schema} can't carry {columns.kind}", where)

    def _learn(self, stream: Stream, form: Form, dtype: str) -> None:
        """Let the fast path have a stream whose values it can take, and none whose values it can't."""
        if stream.spec.schema != _FAST or form not in _FAST_FORMS or dtype in "U?O" or stream.repeats:
            if self._fast is not None:
                self._fast.forget(stream.number)
            return
        if self._fast is None:
            from testbeam.services.forwarder.fast_f144 import FastF144

            self._fast = FastF144(self.streams)
        self._fast.learn(stream, dtype)

    def _note_alarms_ahead(self, columns: AlarmColumns) -> list[Stream]:
        """Give streams that send the alarm with the value those of this batch; return which."""
        found = []
        for number, at_ns, severity, message in zip(columns.stream, columns.timestamp_ns, columns.severity, columns.message, strict=True):
            stream = self.streams.by_number.get(number)
            if stream is not None and stream.spec.schema in WITH_ALARM:
                stream.alarms_ahead.append((at_ns, severity, message))
                found.append(stream)
        return found

    def _take_alarms(self, columns: AlarmColumns, now_ns: int) -> None:
        rows = zip(columns.stream, columns.timestamp_ns, columns.severity, columns.message, strict=True)
        for number, timestamp_ns, severity, message in rows:
            stream = self.streams.by_number.get(number)
            if stream is None or stream.alarm == (severity, message) or self._refuses(stream, timestamp_ns, stream.alarm_ns, now_ns):
                continue
            stream.alarm, stream.alarm_ns = (severity, message), timestamp_ns
            alarm = Alarm(source_name=stream.spec.channel, timestamp_ns=timestamp_ns, severity=severity, message=message)
            stream.send(ALARM, encode_al00(alarm), timestamp_ns // NS_PER_MS)

    def _take_connections(self, columns: ConnectionColumns, now_ns: int) -> None:
        for number, seen_ns, state in zip(columns.stream, columns.timestamp_ns, columns.state, strict=True):
            stream = self.streams.by_number.get(number)
            if stream is None or stream.connection is state:
                continue
            timestamp_ns = self.times.of_connection(seen_ns, stream.connection_ns, now_ns)
            stream.connection, stream.connection_ns = state, timestamp_ns
            seen = ConnectionChange(source_name=stream.spec.channel, timestamp_ns=timestamp_ns, state=state, service_id=self.service_id)
            stream.send(CONNECTION, encode_ep01(seen), timestamp_ns // NS_PER_MS)

    def _take_units(self, columns: UnitsColumns, now_ns: int) -> None:
        for number, seen_ns, units in zip(columns.stream, columns.timestamp_ns, columns.units, strict=True):
            stream = self.streams.by_number.get(number)
            if stream is None or stream.units == units:
                continue
            timestamp_ns = self.times.of_connection(seen_ns, NEVER_NS, now_ns)
            stream.units = units
            change = UnitsChange(source_name=stream.spec.channel, timestamp_ns=timestamp_ns, units=units)
            stream.send(UNITS, encode_un00(change), timestamp_ns // NS_PER_MS)

    def _refuses(self, stream: Stream, timestamp_ns: int, last_ns: int, now_ns: int) -> bool:
        reason = self.times.refusal(timestamp_ns, last_ns, now_ns)
        if reason is not None:
            self.drops.add(reason, f"{stream.spec.channel} at {timestamp_ns} ns since 1970")
        elif timestamp_ns in _NO_TIMES and not stream.told_no_time:
            stream.told_no_time = True
            self.problems.note(f"{stream.spec.channel} has no time stamp: a file-writer drops its messages, which bear {timestamp_ns} ns")
        return reason is not None

    def _note(self, number: int, text: str) -> None:
        stream = self.streams.by_number.get(number)
        self.problems.note(text if stream is None else f"{stream.spec.channel} ({stream.spec.protocol.name}): {text}")


def _serialise(stream: Stream, form: Form, dtype: str) -> Serialise:
    """Return what serialises this kind of value; where the schema can't carry it, something that says so of each."""
    try:
        return SERIALISERS[stream.spec.schema](stream, form, dtype)
    except WireError as error:
        return _refuser(error)


def _refuser(error: WireError) -> Serialise:
    def refuse(_value: object, _timestamp_ns: int) -> bytes:
        raise WireError(error.schema, error.problem)

    return refuse
