"""SciChat: what a user tells the chat of the experiment, as JSON on a topic of its own.

Source: docs/reference/contracts/control.md, "SciChat".
"""

import json
from collections.abc import Mapping
from typing import ClassVar

from testbeam.services.control.devices.experiment import Experiment, Instrument
from testbeam.services.control.devices.kafka_devices import KafkaDevice
from testbeam.services.control.devices.params import Param


class SciChat(KafkaDevice):
    """Sends messages to the chat."""

    parameters: ClassVar[Mapping[str, Param]] = {
        "scichat_topic": Param(description="topic of the messages", type=str, mandatory=True),
        "source": Param(description="who speaks", type=str, default="NICOS"),
    }
    field_names: ClassVar[tuple[str, ...]] = ("nicos_ess.devices.scichat.ScichatBot",)

    def say(self, message: str) -> None:
        """Send a message; raise DeviceError where Kafka does not take it."""
        experiment = self.host.find_device(str(self.host.sysconfig.get("experiment", "")))
        instrument = self.host.find_device(str(self.host.sysconfig.get("instrument", "")))
        said = {
            "proposal": experiment.proposal if isinstance(experiment, Experiment) else "",
            "instrument": instrument.instrument if isinstance(instrument, Instrument) else "",
            "source": self.source,
            "message": message,
        }
        self.send(self.scichat_topic, json.dumps(said).encode())
