import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from testbeam.kit.environment import scrubbed
from testbeam.kit.ports import lease
from testbeam.kit.stack import Stack
from testbeam.stacks.roles.ioc.declaration import IocHandle, ioc
from tests.integration.temporary import temporary_folders_of_its_own  # noqa: F401 - a fixture

StartIoc: TypeAlias = Callable[..., subprocess.Popen[str]]


@pytest.fixture(scope="module")
def demo() -> Iterator[IocHandle]:
    """An IOC with the demo records, prefix T:, shared by the tests of a module."""
    with Stack(ioc(prefix="T:")).run() as run:
        handle = run["ioc"]
        assert isinstance(handle, IocHandle)
        yield handle


@pytest.fixture
def address() -> Iterator[str]:
    leased = lease()
    yield leased.address
    leased.release()


@pytest.fixture
def start_ioc(tmp_path: Path) -> Iterator[StartIoc]:
    """Start an IOC as a bare process; killed at the end of the test if it still runs."""
    started: list[subprocess.Popen[str]] = []

    def start(*options: str) -> subprocess.Popen[str]:
        argv = [sys.executable, "-m", "testbeam.services.ioc", *options]
        environment = {name: value for name, value in scrubbed(os.environ).items() if name != "PYTHONUNBUFFERED"}  # as most shells have it
        process = subprocess.Popen(argv, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
