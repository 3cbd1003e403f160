"""`testbeam ps`: the stacks that are up."""

import json
import time
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from testbeam.errors import TestbeamError
from testbeam.hosting import registry
from testbeam.hosting.channel import Channel
from testbeam.hosting.registry import Entry

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_ANSWER_S = 2.0


@app.command()
def ps(as_json: Annotated[bool, typer.Option("--json", help="Print it for programs.")] = False) -> None:
    """List the stacks of this user that are up, with the state of each service."""
    found = [(entry, states(entry)) for entry in registry.entries(starting=True)]
    if as_json:
        print(json.dumps([{**asdict(entry), "services": told} for entry, told in found], indent=2))
        return
    console = Console()
    if not found:
        console.print("no stack of yours is up; start one: [bold]testbeam up --detach[/]", highlight=False)
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for head in ("id", "name", "up for", "services", "broker", "folder"):
        table.add_column(head, overflow="fold")
    for entry, told in found:
        table.add_row(entry.id, _name(entry), _age(time.time() - entry.wall_s), _services(told), _broker(entry), entry.folder or "-")
    console.print(table, highlight=False)


def states(entry: Entry) -> dict[str, str]:
    """Return the state of each service; one entry that says why where the stack does not answer."""
    if not entry.is_ready:
        return {"?": "starting"}
    try:
        with Channel(entry.socket, _ANSWER_S) as channel:
            services: list[dict[str, Any]] = channel.ask("describe")["services"]
            return {one["name"]: str(channel.ask("look", service=one["name"])["state"]) for one in services}
    except TestbeamError as error:
        return {"?": str(error)}


def _name(entry: Entry) -> str:
    return f"{entry.name} (pytest)" if entry.session else entry.name


def _services(told: dict[str, str]) -> str:
    odd = [f"[red]{name} {state}[/]" for name, state in told.items() if state != "ready"]
    return ", ".join([f"{len(told) - len(odd)} ready", *odd])


def _broker(entry: Entry) -> str:
    return next((one["kafka"] for one in entry.endpoints.values() if "kafka" in one), "")


def _age(seconds: float) -> str:
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {left} s" if minutes else f"{left} s"
