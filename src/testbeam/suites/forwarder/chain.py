"""Chain of the forwarder's suite: what its tests do with broker, IOCs and the forwarder, by topics and PVs alone."""

import itertools
from typing import Any

from testbeam.clients.forwarder import ForwarderClient
from testbeam.clients.topics import Record, TopicHandle
from testbeam.clients.waiting import wait_for_condition
from testbeam.model.forwarding import Protocol, StreamSpec
from testbeam.model.samples import Alarm, AlarmedLogValue, ConnectionChange, ConnectionState, LogValue

PREFIX, OTHER_PREFIX = "S:", "O:"
PERIOD_MS = 1000
COUNTING = 20
WITHIN_S = 20.0
"""Seconds that a status or a message may take: the field's own forwarder tells its status every 4 s."""

PROTOCOLS = {"ca": Protocol.CA, "pva": Protocol.PVA, "fake": Protocol.FAKE}


class Chain:
    """One test's use of the shared chain; its topics have names of their own."""

    def __init__(self, run: Any, name: Any, *, is_ours: bool) -> None:
        self.run = run
        self.is_ours = is_ours
        self._name = name
        self._numbers = itertools.count()

    @property
    def client(self) -> ForwarderClient:
        """Return the client of the forwarder's command and status topics."""
        client: ForwarderClient = self.run["forwarder"].client
        return client

    def topic(self) -> TopicHandle:
        """Return a topic that no other test uses."""
        return self.make_topic(self.topic_name())

    def topic_name(self) -> str:
        """Return the name of a topic that is not there yet."""
        return str(self._name(f"data{next(self._numbers)}"))

    def make_topic(self, name: str) -> TopicHandle:
        """Create a topic."""
        self.run["broker"].create_topics(name)
        topic: TopicHandle = self.run["broker"].topic(name)
        return topic

    def pv(self, record: str) -> Any:
        """Return a record of the first IOC."""
        return self.run["ioc"].pv(f"{PREFIX}{record}")

    def empty(self) -> None:
        """Have the forwarder stop all streams."""
        self.client.remove_all()
        self.client.wait_for_streams([], WITHIN_S)

    def add(self, *streams: StreamSpec) -> None:
        """Add streams and wait until the forwarder lists them."""
        self.client.add(*streams)
        self.client.wait_for_listed(streams, WITHIN_S)


def stream(record: str, topic: TopicHandle | str, protocol: str = "pva", schema: str = "f144", periodic: int = 0) -> StreamSpec:
    """Return a stream of a record of the first IOC, or of any PV whose name has a colon."""
    channel = record if ":" in record else f"{PREFIX}{record}"
    return StreamSpec(
        channel=channel,
        schema=schema,
        topic=topic if isinstance(topic, str) else topic.name,
        protocol=PROTOCOLS[protocol],
        periodic=periodic,
    )


def values(topic: TopicHandle, source: str = "") -> list[Record]:
    """Return the messages with values on a topic, in their order."""
    return [one for one in topic.messages() if isinstance(one.value, LogValue | AlarmedLogValue) and source in ("", one.source)]


def alarms(topic: TopicHandle) -> list[Alarm]:
    """Return the alarms on a topic."""
    return [one.value for one in topic.messages() if isinstance(one.value, Alarm)]


def connections(topic: TopicHandle) -> list[ConnectionState]:
    """Return the connection states on a topic."""
    return [one.value.state for one in topic.messages() if isinstance(one.value, ConnectionChange)]


def wait_for(condition: Any, what: str, within_s: float = WITHIN_S) -> Any:
    """Return the first true value of a condition."""
    return wait_for_condition(condition, within_s=within_s, what=what)
