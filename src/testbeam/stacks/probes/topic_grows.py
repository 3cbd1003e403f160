"""Probe of a topic that grows."""

from dataclasses import dataclass

from testbeam.kit.spec import Declared, ProbeResult, ServiceView
from testbeam.stacks import kafka_clients

_LOOK_S = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicGrows:
    """Ready when the topic has more messages than at the first look of this start; `brokers` is a template, as `${broker.kafka}`."""

    topic: str
    brokers: str

    def check_declared(self, declared: Declared) -> None:
        """Raise StackError for a template that will not be there."""
        declared.check_templates(self.brokers)

    def check(self, service: ServiceView) -> ProbeResult:
        """Look once at the ends of all partitions."""
        with kafka_clients.kafka_of(service, self.brokers).reader() as reader:
            now = sum(high for _, high in reader.watermarks(self.topic, _LOOK_S).values())
        first = service.memory.setdefault(f"topic_grows {self.topic}", now)
        return ProbeResult(ready=now > first, detail=f"{now - first} new messages on {self.topic!r}")
