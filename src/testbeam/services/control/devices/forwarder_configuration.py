"""The forwarder's configuration: all PVs that devices name in `nexus_config` are sent to it whenever their set changes.

It is sent whether or not a forwarder listens, and looked at twice a second; a PV that two devices name is one stream, the later one's.
Source: docs/reference/contracts/control.md, "Forwarder configuration".
"""

import threading
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from testbeam.errors import DeviceError
from testbeam.model.forwarding import ConfigChange, ForwarderCommand, Protocol, StreamSpec
from testbeam.model.status import ServiceStatus
from testbeam.services.control.devices.base import Device
from testbeam.services.control.devices.kafka_devices import KafkaDevice
from testbeam.services.control.devices.params import Param
from testbeam.services.control.devices.status import State, Status
from testbeam.tracking.forwarder import ForwarderTracker
from testbeam.wire.flatbuffers.schemas.forwarder_command_fc00 import encode_fc00

_LOOK_S = 0.5


class ForwarderConfiguration(KafkaDevice):
    """Tells a forwarder what to forward, and whether it does."""

    parameters: ClassVar[Mapping[str, Param]] = {
        "config_topic": Param(description="the forwarder's command topic", type=str, mandatory=True)
    }
    field_names: ClassVar[tuple[str, ...]] = ("nicos_ess.devices.forwarder.EpicsKafkaForwarder",)

    def init(self) -> None:
        """Listen, and look after the streams."""
        self._tracker, self._sent, self._stop = ForwarderTracker(), frozenset[StreamSpec](), threading.Event()
        super().init()
        if self.host.writes:
            self._thread = threading.Thread(target=self._look_after, name=f"{self.name}-streams", daemon=True)
            self._thread.start()

    def shutdown(self) -> None:
        """Look no more; the forwarder goes on as it is told."""
        self._stop.set()
        super().shutdown()

    def take(self, message: Any) -> None:
        """Take in a status."""
        if isinstance(message, ServiceStatus):
            self._tracker.take(message, self.host.now_s())

    @property
    def forwarded(self) -> set[str]:
        """Return the PVs that the forwarder says it forwards."""
        return set(self._tracker.channels)

    def do_status(self) -> Status:
        """Return whether the forwarder speaks, and forwards what it was told."""
        if not self._tracker.is_connected(self.host.now_s()):
            return State.ERROR, "Disconnected"
        missing = {one.channel for one in self._sent} - self._tracker.channels
        if missing:
            return State.WARN, f"not forwarded: {', '.join(sorted(missing))}"
        return State.OK, "Forwarding.." if self._tracker.streams else "idle"

    def configure(self) -> bool:
        """Send the streams if they are others than those sent last; return whether they were."""
        streams = {spec.channel: spec for device in list(self.host.devices.values()) for spec in streams_of(device)}
        wanted = frozenset(streams.values())
        if wanted == self._sent:
            return False
        self.send(self.config_topic, encode_fc00(ForwarderCommand(change=ConfigChange.REPLACE, streams=tuple(streams.values()))))
        self._sent = wanted
        return True

    def _look_after(self) -> None:
        failed = ""
        while not self._stop.wait(_LOOK_S):
            try:
                self.configure()
                failed = ""
            except DeviceError as error:
                if str(error) != failed:
                    self.log.warning(f"the forwarder could not be configured and is tried again: {error}")
                failed = str(error)


def streams_of(device: Device) -> Iterator[StreamSpec]:
    """Yield the streams that a device wants."""
    for one in device.nexus_config or ():
        if isinstance(one, Mapping) and one.get("source_name") and one.get("schema") and one.get("topic"):
            protocol = Protocol.CA if one.get("protocol") == "ca" else Protocol.PVA
            yield StreamSpec(
                channel=str(one["source_name"]),
                schema=str(one["schema"]),
                topic=str(one["topic"]),
                protocol=protocol,
                periodic=int(one.get("periodic", 0) or 0),
            )
