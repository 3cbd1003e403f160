"""The stack of the broker's suite: the broker alone."""

import pytest

from testbeam.kit.stack import Stack
from testbeam.pytest_plugin.fixtures import shared_run as shared_run  # this suite's own, where one session runs several
from testbeam.stacks.roles.broker.declaration import broker
from testbeam.suites.subject import Subject


@pytest.fixture(scope="session")
def stack(subject: Subject) -> Stack:
    return subject.stack(Stack(broker()))
