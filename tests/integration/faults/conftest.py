"""Where the runs of these tests have their temporary folders, and that they leave nothing behind."""

from collections.abc import Iterator

import pytest

from tests.integration.kit.leftovers import nothing_left
from tests.integration.temporary import temporary_folders_of_its_own  # noqa: F401 - a fixture


@pytest.fixture
def leaves_nothing() -> Iterator[None]:
    """Fail a test after which a process, a thread or a descriptor of it is left."""
    with nothing_left():
        yield
