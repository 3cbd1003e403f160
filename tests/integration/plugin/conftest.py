"""What tests of the pytest plugin have: a small project with a stack of two services, and a runtime folder of its own."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbeam.hosting import registry
from tests.integration.temporary import temporary_folders_of_its_own  # noqa: F401 - a fixture

CONFTEST = """
import pytest
from testbeam.kit.spec import Service
from testbeam.kit.stack import Stack

@pytest.fixture(scope="session")
def stack():
    return Stack(Service("one", command=("sleep", "1000")), Service("two", command=("sleep", "1000"), needs=("one",)))
"""


@pytest.fixture(autouse=True)
def _own_runtime_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = tmp_path / "runtime-dir"
    folder.mkdir(mode=0o700)  # another is not taken for a runtime folder
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    assert registry.runtime_folder().is_relative_to(folder)
    yield
    for entry in registry.entries():
        os.kill(entry.pid, signal.SIGKILL)


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """Return a folder with a conftest.py that declares the small stack."""
    pytester.makeconftest(CONFTEST)
    pytester.makeini("[pytest]\nfilterwarnings = error\naddopts = --strict-markers -p no:cacheprovider -p no:hypothesispytest")
    return pytester
