"""Read, write and watch one PV by Channel Access."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from testbeam.errors import TransportError
from testbeam.model.deadline import Deadline
from testbeam.transport.ca.circuit import Circuit
from testbeam.wire.channel_access import names, requests, values
from testbeam.wire.channel_access.message import Message
from testbeam.wire.channel_access.requests import Events
from testbeam.wire.channel_access.values import DbrValue, FieldType, Form
from testbeam.wire.pv_reading import PvValue, Reading, Scalar

_MAY_READ, _MAY_WRITE = 1, 2
_WHOLE = {
    FieldType.CHAR: range(-128, 256),
    FieldType.SHORT: range(-(2**15), 2**15),
    FieldType.ENUM: range(2**16),
    FieldType.LONG: range(-(2**31), 2**31),
}


@dataclass(slots=True)
class CaChannel:
    """A PV on a circuit; `kind` and `count` are the record's own type and largest number of elements."""

    name: str
    kind: FieldType
    count: int
    _circuit: Circuit
    _server_id: int
    _channel_id: int
    _properties: DbrValue | None = field(default=None)

    def get(self, within_s: float = 10.0) -> Reading:
        """Return the value of now with alarm, time, units and choices.

        Raises:
            TransportError: the connection is lost, the server refuses, or no answer comes within `within_s`.
            WireError: the answer is no valid message.
        """
        deadline = Deadline(within_s)
        value_id, properties_id = self._circuit.next_id(), self._circuit.next_id()
        self._circuit.send(
            requests.read(self._server_id, value_id, values.dbr_type(self.kind, Form.TIME))
            + requests.read(self._server_id, properties_id, values.dbr_type(self.kind, Form.CTRL), count=1)
        )
        value = self._value(self._answer(value_id, deadline, "read"))
        self._properties = self._value(self._answer(properties_id, deadline, "read"))
        return self._reading(value)

    def properties(self, within_s: float = 10.0) -> DbrValue:
        """Return units, precision, choices and limits of now; raise as `get`."""
        request_id = self._circuit.next_id()
        self._circuit.send(requests.read(self._server_id, request_id, values.dbr_type(self.kind, Form.CTRL), count=1))
        return self._value(self._answer(request_id, Deadline(within_s), "read"))

    def value_as(self, kind: FieldType, form: Form, count: int = 0, within_s: float = 10.0) -> DbrValue:
        """Return the value in another type, as the server converts it, at most `count` elements (0: all); raise as `get`."""
        request_id = self._circuit.next_id()
        self._circuit.send(requests.read(self._server_id, request_id, values.dbr_type(kind, form), count=min(count, self.count)))
        return self._value(self._answer(request_id, Deadline(within_s), "read"))

    def write_as(self, kind: FieldType, elements: Sequence[Scalar], wait: bool, within_s: float = 10.0) -> None:
        """Write elements in a type of one's own choice, which the server converts; raise as `put`."""
        request_id = self._circuit.next_id()
        payload = values.encode(kind, elements)
        self._circuit.send(requests.write(self._server_id, request_id, values.dbr_type(kind, Form.PLAIN), len(elements), payload))
        if wait:
            self._answer(request_id, Deadline(within_s), "write")

    @property
    def access(self) -> tuple[bool, bool]:
        """Return whether this client may read, and may write."""
        rights = self._circuit.access_rights(self._channel_id)
        return bool(rights & _MAY_READ), bool(rights & _MAY_WRITE)

    @property
    def server(self) -> str:
        """Return address and port of the server."""
        return f"{self._circuit.address}:{self._circuit.port}"

    def subscription(self, within_s: float = 10.0, events: Events = Events.VALUE | Events.ALARM) -> "Subscription":
        """Watch the PV among others on its circuit; raise as `properties`."""
        if self._properties is None:
            self._properties = self.properties(within_s)
        subscription_id = self._circuit.next_id()
        self._circuit.open_subscription(subscription_id)
        self._circuit.send(requests.subscribe(self._server_id, subscription_id, values.dbr_type(self.kind, Form.TIME), events))
        return Subscription(self, self._circuit, subscription_id)

    def reading_of(self, message: Message) -> Reading:
        """Return what an update says.

        Raises:
            TransportError: the server refused.
        """
        self._check(message.parameter_1, "be watched")
        return self._reading(self._value(message))

    def put(self, value: PvValue | Sequence[Scalar], wait: bool = True, within_s: float = 10.0) -> None:
        """Write; with `wait`, until the record and all it sets off have processed.

        Text is converted by the server, as `caput` does; for an array of characters it becomes its bytes.

        Raises:
            TransportError: writing is not allowed, the record does not take the value, or no answer comes within `within_s`.
            WireError: the value does not fit any type of Channel Access.
        """
        if not self._circuit.access_rights(self._channel_id) & _MAY_WRITE:
            raise self._error("can't be written: its access security gives this client no right to")
        kind, elements = self._wire_form(value)
        request_id = self._circuit.next_id()
        payload = values.encode(kind, elements)
        self._circuit.send(requests.write(self._server_id, request_id, values.dbr_type(kind, Form.PLAIN), len(elements), payload))
        if wait:
            try:
                self._answer(request_id, Deadline(within_s), f"write {value!r:.60}")
            except TransportError as error:
                raise TransportError(f"{error}{self._choices_hint()}") from error

    def updates(self, within_s: float, events: Events = Events.VALUE | Events.ALARM) -> Iterator[Reading]:
        """Yield the value of now and then every change, until `within_s` from the first `next()` on; closing the iterator unsubscribes.

        Raises:
            TransportError: the connection is lost or the server refuses.
            WireError: an update is no valid message.
        """
        deadline = Deadline(within_s)
        if self._properties is None:
            self._properties = self.properties(within_s)
        subscription_id = self._circuit.next_id()
        self._circuit.open_subscription(subscription_id)
        number = values.dbr_type(self.kind, Form.TIME)
        self._circuit.send(requests.subscribe(self._server_id, subscription_id, number, events))
        try:
            while (message := self._circuit.update(subscription_id, deadline)) is not None:
                self._check(message.parameter_1, "be watched")
                yield self._reading(self._value(message))
        finally:
            self._circuit.close_subscription(subscription_id)
            with suppress(TransportError):  # the connection is lost: so is the subscription
                self._circuit.send(requests.unsubscribe(self._server_id, subscription_id, number))

    def _wire_form(self, value: PvValue | Sequence[Scalar]) -> tuple[FieldType, Sequence[Scalar]]:
        """Return the type to send `value` in, and its elements; what the server would cut off or wrap in silence is refused here."""
        if isinstance(value, str) and self.kind is FieldType.CHAR and self.count > 1:
            value = [*value.encode(), 0]
        if isinstance(value, str) or self.kind is FieldType.STRING:
            return FieldType.STRING, [str(item) for item in (value if isinstance(value, list | tuple) else (value,))]
        if isinstance(value, Sequence):
            if len(value) > self.count:
                raise self._error(f"holds {self.count} elements, {len(value)} were given")
            return (FieldType.STRING if any(isinstance(item, str) for item in value) else self.kind), value
        allowed = _WHOLE.get(self.kind)
        if allowed is None or isinstance(value, float):
            return FieldType.DOUBLE, (float(value),)
        if value not in allowed:
            raise self._error(f"holds whole numbers from {allowed.start} to {allowed.stop - 1}, {value} was given")
        return FieldType.LONG, (int(value),)

    def _answer(self, request_id: int, deadline: Deadline, doing: str) -> Message:
        message = self._circuit.answer(request_id, deadline)
        if message is None:
            raise self._error(f"did not answer within {deadline.within_s:.3g} s; the IOC may be stuck or paused")
        self._check(message.parameter_1, doing)
        return message

    def _check(self, status: int, doing: str) -> None:
        if status != names.NORMAL:
            raise self._error(f"can't {doing}: {names.reason(status)}")

    def _value(self, message: Message) -> DbrValue:
        return values.decode(message.data_type, message.data_count, message.payload)

    def _reading(self, value: DbrValue) -> Reading:
        properties = self._properties or value
        return Reading(
            value=_shape(value.elements, self.count),
            severity=value.severity,
            status=names.alarm_status(value.status),
            timestamp_ns=value.timestamp_ns,
            units=properties.units,
            choices=properties.choices,
            is_characters=self.kind is FieldType.CHAR and self.count > 1,
        )

    def _choices_hint(self) -> str:
        choices = self._properties.choices if self._properties else ()
        return f"; it takes {', '.join(choices)}" if choices else ""

    def _error(self, problem: str) -> TransportError:
        return TransportError(f"PV {self.name!r} at {self._circuit.address}:{self._circuit.port} (CA) {problem}")


@dataclass(slots=True)
class Subscription:
    """Updates of one PV, taken as they have come; it ends with its circuit."""

    channel: CaChannel
    _circuit: Circuit
    _id: int

    def take(self, deadline: Deadline) -> list[Reading]:
        """Return what has come; wait for the first up to the deadline.

        Raises:
            TransportError: the connection is lost or the server refuses.
        """
        found = []
        while (message := self._circuit.update(self._id, deadline)) is not None:
            found.append(self.channel.reading_of(message))
            deadline = Deadline(0.0)
        return found


def _shape(elements: tuple[Scalar, ...], channel_count: int) -> PvValue:
    """Return a scalar for a scalar record, a list for an array however many elements it has now."""
    return elements[0] if channel_count == 1 and elements else list(elements)  # type: ignore[return-value]  # one type throughout, by DBR
