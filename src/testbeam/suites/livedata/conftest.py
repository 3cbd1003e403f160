"""The stack of live data's suite: a broker and live data of the instrument `dummy`, whose data the tests send themselves."""

import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testbeam.kit.stack import Stack
from testbeam.pytest_plugin.fixtures import shared_run as shared_run  # this suite's own, where one session runs several
from testbeam.stacks.roles.broker.declaration import broker
from testbeam.stacks.roles.livedata.declaration import livedata
from testbeam.suites.livedata.live import Live
from testbeam.suites.subject import Subject


@pytest.fixture(scope="session")
def stack(subject: Subject) -> Stack:
    return subject.stack(Stack(broker(), livedata(instrument="dummy", run_topics=("dummy_filewriter",))))


@pytest.fixture
def live(run: Any, subject: Subject) -> Iterator[Live]:
    """Give live data to one test at a time, as all share its sources."""
    with (Path(run.folder) / "one-at-a-time").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        live = Live(run["broker"], "dummy", is_ours=subject.is_ours("livedata"))
        try:
            yield live
        finally:
            live.close()
