"""Where the runs of these tests have their temporary folders: below pytest's own; and that they leave nothing behind."""

import os
import threading
from collections.abc import Iterator

import pytest

from testbeam.kit import guard
from tests.integration.temporary import temporary_folders_of_its_own  # noqa: F401 - a fixture


@pytest.fixture
def leaves_nothing() -> Iterator[None]:
    """Fail a test after which a process, a thread or a descriptor of it is left."""
    from tests.integration.kit.small_services import open_descriptors

    threads, descriptors, children = threading.enumerate(), open_descriptors(), guard.descendants(os.getpid())
    yield
    assert threading.enumerate() == threads
    assert open_descriptors() == descriptors
    assert guard.descendants(os.getpid()) == children
