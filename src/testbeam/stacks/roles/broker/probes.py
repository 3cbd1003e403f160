"""Probes of a broker: ready when its protocol answers."""

from dataclasses import dataclass
from time import sleep

from testbeam.kit.probing import words_of
from testbeam.kit.spec import Declared, ProbeResult, ServiceView
from testbeam.model.deadline import Deadline
from testbeam.stacks import kafka_clients
from testbeam.transport.kafka.plain import ask_metadata


@dataclass(frozen=True, slots=True)
class MetadataAnswers:
    """Ready when the broker answers a metadata request with itself in it: a stopped one still accepts connections.

    A look lasts until the answer, for at most `look_s`: Kafka listens only when it can answer, and is then seen within 5 ms.
    """

    look_s: float = 0.5
    pause_s: float = 0.005

    def check_declared(self, declared: Declared) -> None:
        """Raise StackError where no endpoint says where the broker is."""
        if "kafka" not in declared.endpoints:
            raise declared.refusal("it asks the endpoint kafka, which the service has not; add kafka to its endpoints")

    def check(self, service: ServiceView) -> ProbeResult:
        """Ask until there is an answer, the service has ended, or the look is over."""
        deadline = Deadline(self.look_s)
        while True:
            seen = _ask(service.endpoints["kafka"])
            if seen.ready or deadline.passed or not service.is_running():
                return seen
            sleep(self.pause_s)


@dataclass(frozen=True, slots=True)
class ClusterAnswers:
    """Ready when a cluster that runs elsewhere answers our client, with the log-in and certificates that it asks for."""

    look_s: float = 0.5

    def check(self, service: ServiceView) -> ProbeResult:
        """Ask once, with a client that is kept for the next look."""
        from confluent_kafka import KafkaException  # late: our own broker is asked without

        memory = service.memory
        if "cluster" not in memory:
            memory["trouble"] = trouble = list[str]()
            memory["cluster"] = kafka_clients.kafka_of_broker(service, error_cb=lambda error: trouble.append(error.str())).admin()
        try:
            found = memory["cluster"].list_topics(timeout=self.look_s)
        except KafkaException as error:
            memory["cluster"].poll(0)  # hands over what the client says of it: a log-in that is refused, a certificate
            said = [one for one in memory["trouble"] if "brokers are down" not in one] or [error.args[0].str()]
            return ProbeResult(ready=False, detail=f"{service.endpoints['kafka']}: {said[-1]}")
        return ProbeResult(ready=True, detail=f"{len(found.brokers)} broker(s) answer, with {len(found.topics)} topics")


def _ask(bootstrap: str) -> ProbeResult:
    trouble = ""
    for address in bootstrap.split(","):
        try:
            found = ask_metadata(address)
        except Exception as error:  # shown as the last thing seen, whatever it is
            trouble = f"{address}: {words_of(error)}"
            continue
        if found.brokers:
            return ProbeResult(ready=True, detail=f"{address} answers for {len(found.brokers)} broker(s) and {len(found.topics)} topics")
        trouble = f"{address} answers, but knows no broker yet"
    return ProbeResult(ready=False, detail=trouble)
