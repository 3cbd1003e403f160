"""Lines for the person at the terminal while tests run, past pytest's capturing; a worker of pytest-xdist has no terminal."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import pytest


@contextmanager
def uncaptured(config: pytest.Config) -> Iterator[None]:
    """Let what is written within the block, by whatever process, reach the terminal."""
    capturing = config.pluginmanager.getplugin("capturemanager")
    with nullcontext() if capturing is None else capturing.global_and_fixture_disabled():
        yield


def say(config: pytest.Config, words: str) -> None:
    """Write a line of its own."""
    if not hasattr(config, "workerinput"):
        with uncaptured(config):
            config.get_terminal_writer().line(f"\n{words}", flush=True)
