"""`testbeam logs`: what the services of a running stack have logged, and log."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from testbeam.cli.chosen_stack import chosen
from testbeam.cli.stack_option import StackOption
from testbeam.console.output import stop_on_signals, write
from testbeam.errors import SettingsError
from testbeam.hosting.registry import Entry
from testbeam.kit import template
from testbeam.kit.logs import tail

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_LOOK_S = 0.1
_BLOCK = 1 << 20
_SUFFIX = ".log"


@app.command()
def logs(
    service: Annotated[str, typer.Argument(help="Name of the service. Default: all of them.", show_default=False)] = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C or the end of the stack.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many lines of each log to begin with.")] = 15,
    stack: StackOption = "",
) -> None:
    """Print the end of the logs; with several services each line begins with the service's name."""
    entry = chosen(stack)
    found = log_files(Path(entry.folder), service)
    width = 0 if service else max(map(len, found))
    starts = {name: path.stat().st_size for name, path in found.items()}
    write([_named(name, line, width) for line in tail(path, lines)] for name, path in found.items())
    if follow:
        with stop_on_signals() as stop:
            write(_following(entry, found, starts, width, stop))


def log_files(folder: Path, service: str = "") -> dict[str, Path]:
    """Return the logs of a run by service, or that of one service.

    Raises:
        SettingsError: there is no such service.
    """
    found = {path.name.removesuffix(_SUFFIX): path for path in sorted((folder / "log").glob(f"*{_SUFFIX}"))}
    if not service:
        return found
    own = {name: path for name, path in found.items() if name == service or name == f"{service}.stdout"}
    if not own:
        raise SettingsError("SERVICE", service, f"the name of one; {template.near(service, found)}")
    return own


@dataclass(slots=True)
class Growing:
    """A log that is read as it grows."""

    path: Path
    at: int
    _rest: bytes = field(default=b"")

    def lines(self) -> list[str]:
        """Return the lines that were completed since the last look."""
        try:
            with self.path.open("rb") as file:
                file.seek(self.at)
                data = file.read(_BLOCK)
        except FileNotFoundError:
            return []  # the stack has ended and taken its folder along
        self.at += len(data)
        *whole, self._rest = (self._rest + data).split(b"\n")
        return [line.decode(errors="replace") for line in whole]


def _following(entry: Entry, found: dict[str, Path], starts: dict[str, int], width: int, stop: threading.Event) -> Iterator[list[str]]:
    growing = {name: Growing(path, starts[name]) for name, path in found.items()}
    while True:
        over = stop.wait(_LOOK_S) or not entry.is_alive()
        yield [_named(name, line, width) for name, log in growing.items() for line in log.lines()]
        if over:
            return


def _named(name: str, line: str, width: int) -> str:
    return f"{name:<{width}} | {line}" if width else line
