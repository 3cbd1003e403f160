"""`testbeam doctor`: what this machine can do and what it lacks, each with the remedy."""

import json
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, Annotated, Any

import typer

from testbeam.cli.apps import new_app
from testbeam.console.json_file import answering

if TYPE_CHECKING:
    from rich.console import RenderableType

    from testbeam.doctor.examination import Examined

app = new_app()

_UNFIT = 1
_MARKS = {"good": "[green]✓[/]", "limited": "[yellow]–[/]", "lacking": "[red]✗[/]"}


@app.command()
def doctor(
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the findings to this file, for programs; - is standard output.")
    ] = None,
    remove_leftovers: Annotated[
        bool,
        typer.Option("--remove-leftovers", help="Remove the temporary folders and containers of runs that are over, and examine nothing."),
    ] = False,
) -> None:
    """Examine this machine; ends with code 1 where the reference stack can't run.

    ✓ is fine, – is something that can't be done here, ✗ has to be fixed.
    """
    if remove_leftovers:
        _remove_leftovers()
        return
    from testbeam.doctor.checks import CHECKS  # late: --help looks at nothing
    from testbeam.doctor.examination import examine, is_fit

    to_stdout = str(json_file) == "-"
    with answering(None if to_stdout else json_file) as answer:
        answer.check()
        examined = examine(CHECKS)
        answer.write(as_json(examined))
    if to_stdout:
        sys.stdout.write(json.dumps(as_json(examined), indent=2) + "\n")
    else:
        _show(examined)
    raise typer.Exit(0 if is_fit(examined) else _UNFIT)


def as_json(examined: "tuple[Examined, ...]") -> dict[str, Any]:
    """Return the findings as programs read them."""
    from testbeam.doctor.examination import is_fit

    return {
        "ok": is_fit(examined),
        "findings": [
            {
                "group": one.check.group,
                "name": one.check.name,
                "state": str(one.finding.state),
                "detail": one.finding.detail,
                "remedy": one.finding.remedy,
                "seconds": round(one.seconds, 3),
            }
            for one in examined
        ],
    }


def _show(examined: "tuple[Examined, ...]") -> None:
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    if console.is_terminal:
        console.print(_table(examined), soft_wrap=False)
    else:
        for line in _lines(examined):
            console.print(line)
    states = [str(one.finding.state) for one in examined]
    if "lacking" in states:
        console.print(f"\n[red]✗ {states.count('lacking')} to be fixed[/] before the reference stack can run here.")
    elif "limited" in states:
        console.print(
            f"\n[green]✓ The reference stack can run here[/]; {states.count('limited')} marked –: can't be done here, or only slower."
        )
    else:
        console.print("\n[green]✓ Everything can be done here.[/]")


def _lines(examined: "tuple[Examined, ...]") -> Iterator[str]:
    """Yield the findings unwrapped, for a pipe: a line each, and one for its remedy."""
    from rich.markup import escape

    width = max(len(one.check.name) for one in examined)
    for group, found in groupby(examined, key=lambda one: one.check.group):
        yield group
        for one in found:
            yield f"  {_MARKS[one.finding.state]} {one.check.name:<{width}}  {escape(one.finding.detail)}"
            if one.finding.remedy:
                yield f"    → {escape(one.finding.remedy)}"


def _table(examined: "tuple[Examined, ...]") -> "RenderableType":
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, show_header=False, padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    group = ""
    for one in examined:
        if one.check.group != group:
            group = one.check.group
            table.add_row("", f"[bold]{group}[/]", "")
        remedy = f"\n[bold]→[/] {escape(one.finding.remedy)}" if one.finding.remedy else ""
        table.add_row(_MARKS[one.finding.state], one.check.name, f"{escape(one.finding.detail)}{remedy}")
    return table


def _remove_leftovers() -> None:
    from testbeam.doctor import leftover_folders
    from testbeam.doctor.processes import remove_leftovers

    print(f"{leftover_folders.remove(Path(gettempdir()))} folders of runs that are over were removed")
    print(f"{remove_leftovers()} containers of runs that are over were removed")
