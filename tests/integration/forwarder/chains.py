"""What the tests of the forwarder hold in hand: the chain it is in, and streams."""

import itertools
from dataclasses import dataclass
from typing import Any

from testbeam.clients.forwarder import ForwarderClient
from testbeam.clients.topics import TopicHandle
from testbeam.kit.run import Run
from testbeam.model.forwarding import Protocol, StreamSpec
from testbeam.stacks.roles.broker.declaration import BrokerHandle
from testbeam.stacks.roles.forwarder.declaration import ForwarderHandle
from testbeam.stacks.roles.ioc.declaration import IocHandle

TOPICS = ("tb_forwarder_commands", "tb_forwarder_status", "tb_forwarder_storage")
COUNTING = 20
PERIOD_MS = 300

_names = (f"data_{n}" for n in itertools.count())


@dataclass
class Chain:
    """Broker, two IOCs (`ioc` with prefix T:, and `other` with O:, which may be restarted) and a forwarder of both."""

    run: Run

    @property
    def broker(self) -> BrokerHandle:
        handle = self.run["broker"]
        assert isinstance(handle, BrokerHandle)
        return handle

    @property
    def forwarder(self) -> ForwarderHandle:
        handle = self.run["forwarder"]
        assert isinstance(handle, ForwarderHandle)
        return handle

    def ioc(self, name: str = "ioc") -> IocHandle:
        handle = self.run[name]
        assert isinstance(handle, IocHandle)
        return handle

    def new_topic(self) -> TopicHandle:
        name = next(_names)
        self.broker.create_topics(name)
        return self.broker.topic(name)

    def drops(self) -> dict[str, int]:
        """Return what the forwarder says it dropped, by reason, in a status that it sends from now on."""
        known = self.forwarder.client
        with ForwarderClient(known.kafka, known.config_topic, known.status_topic) as client:
            dropped: dict[str, int] = client.next_status(within_s=60).details["dropped"]
        return dropped


def stream(channel: str, topic: TopicHandle | str, protocol: Protocol = Protocol.PVA, **changes: Any) -> StreamSpec:
    """Return an f144 stream of a PV to a topic."""
    name = topic if isinstance(topic, str) else topic.name
    return StreamSpec(**{"channel": channel, "schema": "f144", "topic": name, "protocol": protocol, **changes})
