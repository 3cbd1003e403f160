"""Command lines, run in this process."""

from collections.abc import Callable

import pytest

from testbeam.cli import main

Command = Callable[..., int]


@pytest.fixture
def command() -> Command:
    """Run a command line; return its exit code."""
    return lambda *arguments: main.run([str(argument) for argument in arguments])
