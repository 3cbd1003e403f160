from collections.abc import Iterator
from pathlib import Path

import pytest

from testbeam.clients.forwarder import ForwarderClient
from testbeam.clients.topics import Tail, TopicHandle
from testbeam.kit.run import Run
from testbeam.kit.stack import Stack
from testbeam.stacks.roles.broker.declaration import BrokerHandle, broker
from testbeam.stacks.roles.forwarder.declaration import forwarder
from testbeam.stacks.roles.ioc.declaration import ioc
from tests.integration.forwarder.chains import COUNTING, PERIOD_MS, TOPICS, Chain


@pytest.fixture(scope="session")
def forwarding_run(shared_broker: BrokerHandle) -> Iterator[Run]:
    types = Path(__file__).parent / "types.db"
    stack = Stack(
        broker(bootstrap=shared_broker.bootstrap, topics=TOPICS),
        ioc(types, prefix="T:", counting=COUNTING),
        ioc(name="other", prefix="O:"),
        forwarder(iocs=("ioc", "other"), pv_update_period_ms=PERIOD_MS, ini={"status-interval": 500}),
    )
    with stack.run() as run:
        yield run


@pytest.fixture
def chain(forwarding_run: Run) -> Chain:
    """The chain, forwarding nothing yet."""
    chain = Chain(forwarding_run)
    chain.forwarder.client.remove_all()
    chain.forwarder.client.wait_for_streams([], within_s=60)
    return chain


@pytest.fixture
def client(chain: Chain) -> ForwarderClient:
    return chain.forwarder.client


@pytest.fixture
def topic(chain: Chain) -> TopicHandle:
    """A topic that nobody else uses."""
    return chain.new_topic()


@pytest.fixture
def tail(topic: TopicHandle) -> Iterator[Tail]:
    with topic.tail() as tail:
        yield tail
