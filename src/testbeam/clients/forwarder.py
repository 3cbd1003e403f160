"""Forwarder client: commands out, status in."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Producer

from testbeam.errors import TransportError, WaitTimeout, WireError
from testbeam.model.deadline import Deadline
from testbeam.model.forwarding import ConfigChange, ForwarderCommand, Protocol, StreamSpec
from testbeam.model.status import ServiceStatus
from testbeam.transport.kafka.client import Kafka, Reader
from testbeam.wire.flatbuffers.schemas.forwarder_command_fc00 import encode_fc00
from testbeam.wire.flatbuffers.schemas.service_status_x5f2 import decode_x5f2

Listed = tuple[str, Protocol, str, str]  # channel, protocol, topic, schema: all that a status says of a stream

_LOOK_S = 0.05
_COMMAND_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwarderStatus:
    """One x5f2 of a forwarder: who it is, what it forwards, and all else that its JSON says."""

    service: ServiceStatus
    streams: frozenset[Listed]
    details: dict[str, Any]


def listed(spec: StreamSpec) -> Listed:
    """Return what a status says of this stream."""
    return spec.channel, spec.protocol, spec.topic, spec.schema


@dataclass(slots=True)
class ForwarderClient:
    """A forwarder, by its two topics; sees each status that is sent after this was made. Use as a context manager, or close it.

    Raises:
        TopicMissing: the status topic is not there.
        TransportError: the broker does not answer.
    """

    kafka: Kafka
    config_topic: str
    status_topic: str
    _reader: Reader = field(init=False)
    _producer: Producer = field(init=False)
    _last: ForwarderStatus | None = None

    def __post_init__(self) -> None:
        self._producer = self.kafka.producer(linger_ms=0)
        self._reader = self.kafka.reader()
        self._reader.assign_ends([self.status_topic])

    def add(self, *streams: StreamSpec) -> None:
        """Forward these streams too."""
        self.send(ForwarderCommand(change=ConfigChange.ADD, streams=streams))

    def remove(self, channel: str = "", *, topic: str = "", schema: str = "") -> None:
        """Stop all streams that match: `channel` and `topic` may have wildcards, and what is empty matches all."""
        pattern = StreamSpec(channel=channel, topic=topic, schema=schema)
        self.send(ForwarderCommand(change=ConfigChange.REMOVE, streams=(pattern,)))

    def remove_all(self) -> None:
        """Stop all streams."""
        self.send(ForwarderCommand(change=ConfigChange.REMOVEALL))

    def replace(self, *streams: StreamSpec) -> None:
        """Forward exactly these streams; those that are forwarded already go on undisturbed."""
        self.send(ForwarderCommand(change=ConfigChange.REPLACE, streams=streams))

    def send(self, command: ForwarderCommand) -> None:
        """Send any command, and wait until Kafka has it.

        Raises:
            TransportError: Kafka did not take it.
        """
        self.send_raw(encode_fc00(command))

    def send_raw(self, payload: bytes) -> None:
        """Send any bytes to the command topic; raise as `send`."""
        failures: list[Any] = []
        self._producer.produce(self.config_topic, payload, on_delivery=lambda error, _: failures.append(error) if error else None)
        left = self._producer.flush(_COMMAND_S)
        if left or failures:
            why = failures[0].str() if failures else f"no answer within {_COMMAND_S:g} s"
            raise TransportError(f"{self.kafka.bootstrap}: the command was not taken by topic {self.config_topic!r}: {why}")

    def next_status(self, within_s: float = 30.0) -> ForwarderStatus:
        """Return the next status that was not seen yet.

        Raises:
            WaitTimeout: none came in time.
        """
        deadline = Deadline(within_s)
        while not deadline.passed:
            for message in self._reader.read(1, _LOOK_S):
                status = _status(message.value())
                if status is not None:
                    self._last = status
                    return status
        raise WaitTimeout(
            f"no forwarder has sent a status to {self.status_topic!r} within {within_s:g} s; is it up, and is the topic its own?"
        )

    def wait_for_streams(self, streams: Iterable[StreamSpec], within_s: float = 30.0) -> ForwarderStatus:
        """Wait for a status that lists exactly these streams (`periodic` apart, which a status does not tell), and return it.

        Raises:
            WaitTimeout: none did; says what is missing and what is too much in the last one.
        """
        wanted = frozenset(map(listed, streams))
        return self._wait(lambda found: found == wanted, wanted, within_s)

    def wait_for_listed(self, streams: Iterable[StreamSpec], within_s: float = 30.0) -> ForwarderStatus:
        """Wait for a status that lists these streams, whatever else it lists, and return it; raise as `wait_for_streams`."""
        wanted = frozenset(map(listed, streams))
        return self._wait(lambda found: found >= wanted, wanted, within_s)

    def _wait(self, fits: Callable[[frozenset[Listed]], bool], wanted: frozenset[Listed], within_s: float) -> ForwarderStatus:
        deadline = Deadline(within_s)
        while (left_s := deadline.left_s) > 0:
            try:
                status = self.next_status(left_s)
            except WaitTimeout:
                break
            if fits(status.streams):
                return status
        raise WaitTimeout(f"the forwarder did not come to {len(wanted)} streams within {within_s:g} s; {_difference(wanted, self._last)}")

    def close(self) -> None:
        """Leave the broker."""
        self._reader.close()

    def __enter__(self) -> "ForwarderClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _status(payload: bytes | None) -> ForwarderStatus | None:
    """Return the forwarder's status in a message, or None for anything else that is on the topic."""
    try:
        service = decode_x5f2(payload or b"")
        details = json.loads(service.status_json)
        streams = frozenset(_listed(entry) for entry in details["streams"])
    except (WireError, ValueError, KeyError, TypeError):
        return None
    return ForwarderStatus(service=service, streams=streams, details=details)


def _listed(entry: dict[str, str]) -> Listed:
    return entry["channel_name"], Protocol[entry["protocol"].upper()], entry["output_topic"], entry["schema"]


def _difference(wanted: frozenset[Listed], last: ForwarderStatus | None) -> str:
    if last is None:
        return "it sent no status"
    missing, more = sorted(wanted - last.streams), sorted(last.streams - wanted)
    problem = last.details.get("last_error") or "none"
    return f"its last status lacks {missing[:5] or 'none'} and has {more[:5] or 'none'} besides; its last problem: {problem}"
