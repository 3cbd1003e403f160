from collections.abc import Iterator
from typing import cast

import pytest

from testbeam.kit.run import Run
from testbeam.kit.spec import Service
from testbeam.kit.stack import Stack
from testbeam.stacks.roles.broker.declaration import BrokerHandle, broker
from testbeam.stacks.roles.filewriter.declaration import FileWriterHandle, filewriter
from testbeam.stacks.topics import Topics
from testbeam.suites.filewriter.jobs import LEEWAY_S, STATUS_S, Writing

TOPICS = Topics(prefix="fw")


@pytest.fixture(scope="session")
def writer_service() -> Service:
    """The writer of most tests: it waits shortly for late data."""
    return filewriter(
        pool_topic=TOPICS.pool,
        status_topic=TOPICS.writer_status,
        control_topic=TOPICS.control,
        time_after_stop_s=LEEWAY_S,
        status_interval_s=STATUS_S,
        flush_interval_s=0.1,
    )


@pytest.fixture(scope="session")
def writing_run(shared_broker: BrokerHandle, writer_service: Service) -> Iterator[Run]:
    topics = (TOPICS.pool, TOPICS.writer_status, TOPICS.control)
    with Stack(broker(bootstrap=shared_broker.bootstrap, topics=topics), writer_service).run() as run:
        yield run


@pytest.fixture
def writing(writing_run: Run) -> Writing:
    return Writing(broker=cast("BrokerHandle", writing_run["broker"]), writer=cast("FileWriterHandle", writing_run["filewriter"]))
