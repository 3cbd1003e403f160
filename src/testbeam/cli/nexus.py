"""`testbeam nexus show|diff`: what is in a NeXus file, and how two of them differ."""

from pathlib import Path
from typing import Annotated

import typer

from testbeam.cli.apps import new_app
from testbeam.console.output import write
from testbeam.runtime import exit_codes

app = new_app(has_commands=True)


@app.callback()
def _nexus() -> None:
    """Look into NeXus files: show one, compare two."""


@app.command()
def show(
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    below: Annotated[str, typer.Argument(metavar="PATH", help="Only what is under this path.")] = "/",
    statistics: Annotated[bool, typer.Option(help="Smallest, largest and mean value of each dataset.")] = True,
    growing: Annotated[bool, typer.Option("--growing", help="A file that is still written.")] = False,
) -> None:
    """Print the tree of a file: classes, streams, types, shapes, units and statistics."""
    from testbeam.nexus.files import opened
    from testbeam.nexus.show import tree

    with opened(file, growing=growing) as open_file:
        write([tree(open_file, statistics=statistics, below=below)])


@app.command()
def diff(one: Annotated[Path, typer.Argument(metavar="A")], other: Annotated[Path, typer.Argument(metavar="B")]) -> None:
    """Compare data and attributes of two files; exit code 3 where they differ. Names and times of the writing don't count."""
    from testbeam.nexus.diff import differences
    from testbeam.nexus.files import opened

    with opened(one) as first, opened(other) as second:
        found = list(differences(first, second))
    write([found or ["no difference"]])
    raise typer.Exit(exit_codes.FAILED if found else exit_codes.OK)
