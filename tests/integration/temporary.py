"""Where what a test starts has its temporary folders; a conftest takes the fixture in by importing it."""

import tempfile
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def temporary_folders_of_its_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have them in one that goes with the test: runs that fail on purpose keep theirs.

    Not below pytest's own folder, in which the path of a socket becomes longer than 107 bytes.
    """
    with tempfile.TemporaryDirectory(prefix="tb-", ignore_cleanup_errors=True) as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        monkeypatch.setenv("TMPDIR", folder)
        yield
