"""Values that others tell on topics: a device for each source name, which hears its router's or its own cluster."""

from collections.abc import Mapping
from typing import Any, ClassVar

from testbeam.errors import DeviceError
from testbeam.model.samples import LogValue
from testbeam.services.control.devices.kafka_devices import KafkaDevice
from testbeam.services.control.devices.params import Param, words
from testbeam.services.control.devices.status import State, Status


class KafkaRouter(KafkaDevice):
    """The cluster that `KafkaValue` devices of a setup hear; it has no value of its own."""

    parameters: ClassVar[Mapping[str, Param]] = {"topics": Param(description="kept for old setups", type=words, default=())}
    field_names: ClassVar[tuple[str, ...]] = ("nicos_ess.devices.kafka.readback.KafkaReadbackRouter",)


class KafkaValue(KafkaDevice):
    """The newest value of a source name."""

    parameters: ClassVar[Mapping[str, Param]] = {
        "brokers": Param(description="the Kafka cluster, HOST:PORT each (default: that of `kafka`)", type=words, default=()),
        "topic": Param(description="topic of the values", type=str, mandatory=True),
        "source_name": Param(description="source name of the values", type=str, mandatory=True),
        "fmtstr": Param(description="how the value is shown", type=str, default="%.3f", settable=True),
    }
    attached: ClassVar[Mapping[str, bool]] = {"kafka": False}
    field_names: ClassVar[tuple[str, ...]] = ("nicos_ess.devices.kafka.readback.KafkaReadable",)
    valuetype: type = float

    def init(self) -> None:
        """Listen from now on."""
        self._newest: LogValue | None = None
        router = self.attached_device("kafka")
        if not self.brokers:
            if not isinstance(router, KafkaDevice):
                raise DeviceError(f"device {self.name!r}: it has neither `brokers` nor a `kafka` that has them")
            self._values["brokers"] = router.brokers
        super().init()

    def topics(self) -> list[str]:
        """Return the topic of the values."""
        return [self.topic]

    def take(self, message: Any) -> None:
        """Take in a value of our source, unless a newer one is there."""
        if not isinstance(message, LogValue) or message.source_name != self.source_name:
            return
        if self._newest is None or message.timestamp_ns >= self._newest.timestamp_ns:
            self._newest = message
            self.host.cache.put(f"{self.key}/value", self.do_read())
            self.host.cache.put(f"{self.key}/status", self.do_status())

    def do_read(self) -> Any:
        """Return the newest value; raise DeviceError where there is none."""
        if self._newest is None:
            raise DeviceError(f"{self.name}: nothing came from {self.source_name!r} on topic {self.topic!r} yet")
        value: Any = self._newest.value
        return value.tolist() if hasattr(value, "tolist") else value

    def do_status(self) -> Status:
        """Return whether there is a value."""
        return (State.OK, "") if self._newest is not None else (State.WARN, f"nothing came from {self.source_name!r} yet")
