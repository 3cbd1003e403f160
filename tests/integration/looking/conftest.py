"""Commands that are not in the list of all commands yet are run by their module."""

from collections.abc import Callable

import pytest

from testbeam.cli import main

Command = Callable[..., int]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run a command line in this process; return its exit code."""
    for name in ("topic", "record", "replay"):
        monkeypatch.setitem(main.COMMANDS, name, "")
    return lambda *arguments: main.run([str(argument) for argument in arguments])
