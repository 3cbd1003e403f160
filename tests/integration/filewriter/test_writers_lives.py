"""How writers share a pool, are stopped, lose Kafka, and start with a command."""

import time
from pathlib import Path
from typing import cast

import pytest

from testbeam.errors import JobFailed
from testbeam.kit.run import Run
from testbeam.kit.spec import Service, Stack
from testbeam.nexus import compose
from testbeam.stacks.roles.broker import BrokerHandle, broker
from testbeam.stacks.roles.filewriter import FileWriterHandle, filewriter
from testbeam.stacks.topics import Topics
from tests.integration.filewriter.jobs import LEEWAY_S, STATUS_S, Writing, entry_of, log, now_ms, read

POOL = Topics(prefix="lives")


@pytest.fixture(scope="module")
def lives_run(shared_broker: BrokerHandle, writer_service: Service) -> "Run":
    raise NotImplementedError


def writer_of_pool(**more: object) -> Service:
    return filewriter(
        pool_topic=POOL.pool,
        status_topic=POOL.writer_status,
        control_topic=POOL.control,
        time_after_stop_s=LEEWAY_S,
        status_interval_s=STATUS_S,
        **more,  # type: ignore[arg-type]
    )
