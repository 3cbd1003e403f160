"""Where what a test starts has its temporary folders; a conftest takes the fixture in by importing it."""

import tempfile
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def temporary_folders_of_its_own(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have them in one that goes with the test: runs that fail on purpose keep theirs.

    Not below pytest's own folder, in which the path of a socket becomes longer than 107 bytes.
    """
    tmp_path_factory.getbasetemp()  # the session's, which pytest makes when it is first asked for, and which must outlive this test
    with tempfile.TemporaryDirectory(prefix="tb-", ignore_cleanup_errors=True) as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        monkeypatch.setenv("TMPDIR", folder)
        yield
