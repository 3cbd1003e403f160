"""What every test of running stacks has: a runtime folder of its own, and held stacks that are ended whatever the test finds."""

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from testbeam.hosting import registry
from testbeam.hosting.hosted import HostedRun, StackInfo, hosted
from testbeam.kit.spec import Service
from testbeam.kit.stack import Stack
from testbeam.stacks.fingerprint import fingerprint
from tests.integration.hosting.holding import Hold


@pytest.fixture(autouse=True)
def runtime_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give this test a registry of its own; a stack that is still in it at the end is ended."""
    folder, temporary = tmp_path / "runtime", tmp_path / "temporary"
    for one in (folder, temporary):
        one.mkdir(mode=0o700)  # another is not taken for a runtime folder
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    assert registry.runtime_folder().is_relative_to(folder)
    yield folder
    for entry in registry.entries():
        if entry.pid != os.getpid():
            os.kill(entry.pid, signal.SIGKILL)


@pytest.fixture
def hold() -> Iterator[Hold]:
    """Return what starts a stack in this process and lets others join it."""
    with ExitStack() as owned:

        def start(*services: Service) -> HostedRun:
            stack = Stack(*services)
            run = stack.run()
            run.start()
            owned.callback(run.stop)
            return owned.enter_context(hosted(run, StackInfo(name="small", fingerprint=fingerprint(stack))))

        yield start
