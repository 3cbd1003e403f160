"""`testbeam down`: end running stacks, in order."""

from collections.abc import Iterable
from typing import Annotated

import typer
from rich.console import Console

from testbeam.cli.apps import new_app
from testbeam.cli.chosen_stack import meant
from testbeam.errors import SettingsError
from testbeam.hosting import registry
from testbeam.hosting.ending import end
from testbeam.hosting.registry import Entry

app = new_app()


@app.command()
def down(
    stacks: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME", help="Names or ids. Default: that of this folder's testbeam.toml, else the one that is up."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="End every stack of yours.")] = False,
) -> None:
    """Stop the services of a stack in order, and remove its temporary folder; that none is up is no error."""
    if everything and stacks:
        raise SettingsError("--all", True, "either names or --all")
    console = Console()
    up = [entry for entry in registry.entries(starting=True) if everything or stacks or not entry.session]
    if not up and not stacks:
        console.print("no stack of yours is up: there is nothing to end")
    elif everything:
        _end(up, console)
    else:
        _end(registry.find(stacks, starting=True) if stacks else (meant(starting=True),), console)


def _end(entries: Iterable[Entry], console: Console) -> None:
    for entry in entries:
        end(entry)
        console.print(f"stack {entry.id} ({entry.name}) has ended", highlight=False)
