"""Base of devices that speak through Kafka: brokers, sending, listening."""

from collections.abc import Mapping
from typing import Any, ClassVar

from testbeam.errors import DeviceError, TransportError, WireError
from testbeam.services.control.devices.base import Readable
from testbeam.services.control.devices.params import Param, words
from testbeam.services.control.devices.status import State, Status
from testbeam.wire.flatbuffers import registry

_SEND_S = 10.0


class KafkaDevice(Readable):
    """A device that listens to topics of `brokers`, where its session owns the instrument."""

    parameters: ClassVar[Mapping[str, Param]] = {
        "brokers": Param(description="the Kafka cluster, HOST:PORT each", type=words, mandatory=True),
        "statustopic": Param(description="topics that the service tells its status on", type=words, default=()),
        "timeoutinterval": Param(description="kept for old setups", default=5),
        "fmtstr": Param(description="how the value is shown", type=str, default="%s"),
        "maxage": Param(description="how old a cached value may be; messages come by themselves", default=0, settable=True, unit="s"),
    }
    has_events = True
    valuetype: type = str

    def init(self) -> None:
        """Listen from now on."""
        super().init()
        self._producer: Any = None
        if self.host.writes and self.topics():
            try:
                self.host.listener(self.brokers).listen(self.topics(), self._take, self.nothing_waits)
            except TransportError as error:
                raise DeviceError(f"{self.name}: {error}") from None

    def shutdown(self) -> None:
        """Listen no more."""
        if self.host.writes and not self.host.simulated and self.topics():
            self.host.listener(self.brokers).forget(self._take, self.nothing_waits)
        super().shutdown()

    def topics(self) -> list[str]:
        """Return the topics to listen to."""
        return list(self.statustopic)

    def take(self, message: Any) -> None:
        """Take in what a message holds."""

    def nothing_waits(self) -> None:
        """Do what is due when no message waits to be read."""

    def send(self, topic: str, payload: bytes) -> None:
        """Send bytes and wait until Kafka has them.

        Raises:
            DeviceError: Kafka did not take them.
        """
        if self._producer is None:
            self._producer = self.host.kafka(self.brokers).producer(linger_ms=0)
        failures: list[Any] = []
        self._producer.produce(topic, payload, on_delivery=lambda error, _: failures.append(error) if error else None)
        if self._producer.flush(_SEND_S) or failures:
            why = failures[0].str() if failures else f"no answer within {_SEND_S:g} s"
            raise DeviceError(f"{self.name}: topic {topic!r} at {', '.join(self.brokers)} took nothing: {why}")

    def do_read(self) -> Any:
        """Return the status' text, as the device has no other value."""
        return self.status(0)[1]

    def do_status(self) -> Status:
        """Return that nothing is known against it."""
        return State.OK, ""

    def _take(self, message: Any) -> None:
        try:
            self.take(registry.decode(message.value() or b""))
        except WireError:
            return  # other services' messages on a shared topic
        self.host.woken.set()
