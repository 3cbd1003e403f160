"""`testbeam logs`: what the services of a running stack have logged, and log."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from testbeam.cli.apps import new_app
from testbeam.cli.chosen_stack import chosen
from testbeam.cli.stack_option import StackOption
from testbeam.console.output import stop_on_signals, write
from testbeam.errors import SettingsError
from testbeam.hosting.registry import Entry
from testbeam.kit import template
from testbeam.kit.logs import LineReader, last_lines

app = new_app()

_LOOK_S = 0.1
_LOOKS_OF_A_REST = 10
_SUFFIX = ".log"


@app.command()
def logs(
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="Name of the service. Default: all of them.", show_default=False)] = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C or the end of the stack.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many lines of each log to begin with.")] = 15,
    stack: StackOption = "",
) -> None:
    """Print the end of the logs; with several services each line begins with the service's name."""
    entry = chosen(stack)
    found = log_files(Path(entry.folder), service)
    width = 0 if service else max(map(len, found))
    if not follow:
        write([_named(name, line, width) for line in last_lines(path, lines)[0]] for name, path in found.items())
        return
    with ExitStack() as owned, stop_on_signals() as stop:
        logs: list[Followed] = []
        for name, path in found.items():
            last, at = last_lines(path, lines, unfinished=False)
            reader = LineReader(path, at, keep_open=True)
            owned.callback(reader.close)
            logs.append(Followed(name, reader))
            write([[_named(name, line, width) for line in last]])
        write(_following(entry, logs, width, stop))


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
class Followed:
    """A log that is read as it grows; `seen` is its size and since how many looks it has had that."""

    name: str
    reader: LineReader
    seen: tuple[int, int] = (0, 0)

    def lines(self, *, over: bool) -> Iterator[str]:
        """Yield what has come; a line without its end as soon as nothing comes after it any more, as of a program that has ended."""
        yield from self.reader.lines()
        size = self.reader.size()
        self.seen = (size, self.seen[1] + 1 if size == self.seen[0] else 0)
        if (over or self.seen[1] >= _LOOKS_OF_A_REST) and (rest := self.reader.rest()):
            yield rest


def _following(entry: Entry, logs: list[Followed], width: int, stop: threading.Event) -> Iterator[list[str]]:
    while True:
        over = stop.wait(_LOOK_S) or not entry.is_alive()
        yield [_named(log.name, line, width) for log in logs for line in log.lines(over=over)]
        if over:
            return


def _named(name: str, line: str, width: int) -> str:
    return f"{name:<{width}} | {line}" if width else line
