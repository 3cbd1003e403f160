"""One real broker for all integration tests of a session, whichever worker runs them, and topics of each test's own."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from shutil import copy2
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from testbeam.clients.topics import TopicHandle
    from testbeam.stacks.roles.broker.declaration import BrokerHandle
    from testbeam.transport.kafka.client import Kafka

NewTopic = Callable[..., "TopicHandle"]


@pytest.fixture(scope="session")
def shared_broker(pytestconfig: pytest.Config) -> Iterator["BrokerHandle"]:
    """Run one broker for the session, as the plug-in does for its users; a test that breaks or stops its broker starts one of its own."""
    from testbeam.kit.stack import Stack
    from testbeam.pytest_plugin import sharing
    from testbeam.stacks.roles.broker.declaration import BrokerHandle, broker

    with sharing.shared(Stack(broker()), pytestconfig) as run:
        handle = run["broker"]
        assert isinstance(handle, BrokerHandle)
        yield handle


@pytest.fixture(scope="session")
def kafka(shared_broker: "BrokerHandle") -> "Kafka":
    """Return the shared broker as clients take it."""
    return shared_broker.kafka


@pytest.fixture
def new_topic(shared_broker: "BrokerHandle", request: pytest.FixtureRequest) -> NewTopic:
    """Return what makes topics of this test's own: `new_topic("data", partitions=2)`."""
    prefix = f"{re.sub(r'[^a-zA-Z0-9]+', '-', request.node.name)[:60]}-{uuid4().hex[:8]}"

    def new(name: str = "data", partitions: int = 1) -> "TopicHandle":
        shared_broker.create_topics({f"{prefix}.{name}": partitions})
        return shared_broker.topic(f"{prefix}.{name}")

    return new


@pytest.fixture(scope="session")
def filled_cache() -> Path:
    """Return the folder of the user's cache with everything in it, filled first where it is not."""
    from testbeam.kafka_distribution.options import LaunchOptions
    from testbeam.kafka_distribution.telling import ConsoleTeller
    from testbeam.stacks.roles.broker.prepare import prepare

    return Path(prepare(LaunchOptions(), ConsoleTeller()).cache.root)


@pytest.fixture
def copied_jars(filled_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a cache of this test's own, which holds the jars and no start-up cache; return the folder of the jars."""
    from testbeam.kafka_distribution.cache import user_cache

    monkeypatch.setenv("TESTBEAM_CACHE", str(tmp_path / "cache"))
    folder = Path(user_cache().jars)
    folder.mkdir(parents=True)
    for jar in (filled_cache / folder.name).glob("*.jar"):
        copied = folder / jar.name
        with suppress(OSError):  # another file system
            os.link(jar, copied)
        if not copied.exists():
            copy2(jar, copied)
    return folder
