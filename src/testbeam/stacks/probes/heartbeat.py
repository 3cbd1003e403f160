"""Probe of a service's status (x5f2) on Kafka."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbeam.errors import WireError
from testbeam.kit.guard import descendants
from testbeam.kit.spec import Declared, ProbeResult, ServiceView
from testbeam.stacks import kafka_clients

if TYPE_CHECKING:
    from confluent_kafka import Message

    from testbeam.model.status import ServiceStatus
    from testbeam.transport.kafka.client import Reader

_LOOK_S = 0.2
_NEWEST = 100  # messages in which the status of this start is looked for at first


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """Ready when a status of this start is on the topic; `brokers` is a template, as `${broker.kafka}`.

    It has to come from the service's process or one below it. Where the process id tells nothing, because the service runs elsewhere
    or in a container (`of_anyone`), any status counts that is sent after the first look.
    """

    topic: str
    brokers: str
    of_anyone: bool = False

    def check_declared(self, declared: Declared) -> None:
        """Raise StackError for a template that will not be there."""
        declared.check_templates(self.brokers)

    def check(self, service: ServiceView) -> ProbeResult:
        """Look once at what is new."""
        of_anyone = self.of_anyone or service.pid is None
        reader, seen = self._reader(service, from_end=of_anyone), 0
        for message in reader.read(_NEWEST, _LOOK_S):
            seen += 1
            status = _status(message)
            if status is not None and (of_anyone or _is_of(service.pid, status)):
                reader.close()
                return ProbeResult(ready=True, detail=f"{status.service_id} says {status.status_json[:200]}")
        whose = "a status" if of_anyone else f"a status of process {service.pid} or one below it"
        return ProbeResult(ready=False, detail=f"{seen} new messages on {self.topic!r}, none of them {whose}")

    def _reader(self, service: ServiceView, *, from_end: bool) -> "Reader":
        memory = service.memory
        if "reader" not in memory:
            memory["reader"] = kafka_clients.kafka_of(service, self.brokers).reader()
        reader: Reader = memory["reader"]
        if not memory.get("assigned"):
            ends = reader.watermarks(self.topic, _LOOK_S)
            reader.assign({(self.topic, p): high if from_end else max(low, high - _NEWEST) for p, (low, high) in ends.items()})
            memory["assigned"] = True
        return reader


def _status(message: "Message") -> "ServiceStatus | None":
    from testbeam.wire.flatbuffers.schemas.service_status_x5f2 import decode_x5f2

    try:
        return decode_x5f2(message.value() or b"")
    except WireError:
        return None


def _is_of(pid: int | None, status: "ServiceStatus") -> bool:
    return pid is not None and (status.process_id == pid or status.process_id in descendants(pid))
