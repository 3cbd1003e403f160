"""`testbeam down`: end running stacks, in order."""

from typing import Annotated

import typer
from rich.console import Console

from testbeam.errors import SettingsError
from testbeam.hosting import registry
from testbeam.hosting.ending import end

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def down(
    stacks: Annotated[list[str] | None, typer.Argument(metavar="[NAME]…", help="Names or ids. Default: the one that is up.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="End every stack of yours.")] = False,
) -> None:
    """Stop the services of a stack in order, and remove its temporary folder."""
    if everything and stacks:
        raise SettingsError("--all", True, "either names or --all")
    console = Console()
    for entry in registry.entries() if everything else registry.find(stacks or ()):
        end(entry)
        console.print(f"stack {entry.id} ({entry.name}) has ended", highlight=False)
