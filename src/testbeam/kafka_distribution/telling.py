"""Progress report of what takes its time: a rich progress bar on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn


class ConsoleTeller:
    """Tells on standard error."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)

    def say(self, text: str) -> None:
        """Tell one line."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def bar(self, text: str, total: int) -> Iterator[Callable[[int], None]]:
        """Show a bar that grows by the bytes it is told of; may be told from several threads."""
        self.say(text)
        columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        with Progress(*columns, console=self._console, transient=True, disable=not self._console.is_terminal) as progress:
            task = progress.add_task("", total=total)
            yield lambda size: progress.advance(task, size)

    @contextmanager
    def busy(self, text: str) -> Iterator[None]:
        """Say that something begins, let a spinner turn, and say how long it took."""
        self.say(text)
        started_s = time.monotonic()
        with Progress(
            TextColumn("{task.elapsed:.0f} s"), BarColumn(), console=self._console, transient=True, disable=not self._console.is_terminal
        ) as turning:
            turning.add_task("", total=None)
            yield
        self.say(f"done in {time.monotonic() - started_s:.1f} s")
