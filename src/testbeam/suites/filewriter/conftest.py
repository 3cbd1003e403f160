"""The stack of the file-writer's suite: a broker and one writer, which the tests share; each test has topics of its own."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testbeam.kit.stack import Stack
from testbeam.pytest_plugin.fixtures import shared_run as shared_run  # this suite's own, where one session runs several
from testbeam.stacks.roles.broker.declaration import broker
from testbeam.stacks.roles.filewriter.declaration import filewriter
from testbeam.stacks.topics import Topics
from testbeam.suites.filewriter.jobs import LEEWAY_S, STATUS_S, Writing
from testbeam.suites.subject import Subject

TOPICS = Topics(prefix="suite")


@pytest.fixture(scope="session")
def stack(subject: Subject) -> Stack:
    writer = filewriter(
        pool_topic=TOPICS.pool,
        status_topic=TOPICS.writer_status,
        control_topic=TOPICS.control,
        time_after_stop_s=LEEWAY_S,
        status_interval_s=STATUS_S,
        flush_interval_s=0.1,
    )
    return subject.stack(Stack(broker(topics=(TOPICS.pool, TOPICS.writer_status, TOPICS.control)), writer))


@pytest.fixture
def writing(run: Any, subject: Subject) -> Iterator[Writing]:
    """Give a test its topics; afterwards every file that it had written must open in the field's own reader."""
    made = Writing(broker=run["broker"], writer=run["filewriter"], is_ours=subject.is_ours("filewriter"))
    yield made
    for path in made.files():
        load(path)


def load(path: Path) -> None:
    """Load a file with scippnexus, where that is installed; a group that it can't make sense of is a warning there, and an error here."""
    snx = pytest.importorskip("scippnexus")
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*[Ff]ailed to load.*")
        with snx.File(path) as file:
            file[...]
