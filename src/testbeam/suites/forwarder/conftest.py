"""The stack of the forwarder's suite: broker, two IOCs with records of every type, and the forwarder."""

import fcntl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from testbeam.kit.stack import Stack
from testbeam.pytest_plugin.fixtures import shared_run as shared_run  # this suite's own, where one session runs several
from testbeam.stacks.roles.broker.declaration import broker
from testbeam.stacks.roles.forwarder.declaration import forwarder
from testbeam.stacks.roles.ioc.declaration import ioc
from testbeam.suites.forwarder.chain import COUNTING, OTHER_PREFIX, PERIOD_MS, PREFIX, Chain
from testbeam.suites.subject import Subject

_RECORDS = Path(__file__).with_name("records.db")
_PATIENT = {"TESTBEAM_FORWARDER_STOP_TIMEOUT": "30000"}  # for a broker that comes late out of its pause on a busy machine
_STOP_S = 40.0


@pytest.fixture(scope="session")
def stack(subject: Subject) -> Stack:
    """Return the stack with the subject in it."""
    service = forwarder(iocs=("ioc", "other"), pv_update_period_ms=PERIOD_MS)
    return subject.stack(
        Stack(
            broker(),
            ioc(_RECORDS, prefix=PREFIX, counting=COUNTING),
            ioc(_RECORDS, name="other", prefix=OTHER_PREFIX),
            replace(service, env={**service.env, **_PATIENT}, stop_timeout_s=_STOP_S),
        )
    )


@pytest.fixture
def chain(run: Any, name: Any, subject: Subject) -> Iterator[Chain]:
    """Give the forwarder, without a stream, to one test at a time."""
    with (Path(run.folder) / "one-at-a-time").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        chain = Chain(run, name, is_ours=subject.is_ours("forwarder"))
        chain.empty()
        yield chain
