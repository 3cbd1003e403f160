"""Command lines, run in this process."""

from collections.abc import Callable

import pytest

from testbeam.cli import commands

Command = Callable[..., int]


@pytest.fixture
def command() -> Command:
    """Run a command line; return its exit code."""
    return lambda *arguments: commands.run([str(argument) for argument in arguments])
