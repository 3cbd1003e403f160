"""Where the runs of a test have their temporary folders; a conftest takes the fixture in by importing it."""

import tempfile
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def temporary_folders_below_pytests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have them below pytest's own, which removes them."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
