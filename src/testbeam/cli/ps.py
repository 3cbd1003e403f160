"""`testbeam ps`: the stacks that are up."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from testbeam.cli.apps import new_app
from testbeam.errors import TestbeamError
from testbeam.hosting import registry
from testbeam.hosting.facts import ServiceFacts, ask_services
from testbeam.hosting.registry import SMOKE, Entry
from testbeam.stacks.client_variables import epics_variables

app = new_app()

Told = Sequence[ServiceFacts] | str  # or why there is no answer


@app.command()
def ps(as_json: Annotated[bool, typer.Option("--json", help="Print it for programs.")] = False) -> None:
    """List the stacks of this user that are up, with state, pid and addresses of each service."""
    found = [(entry, told(entry)) for entry in registry.entries(starting=True)]
    if as_json:
        print(json.dumps([_as_json(entry, services) for entry, services in found], indent=2))
        return
    console = Console(highlight=False, soft_wrap=True)
    if not found:
        console.print(f"no stack of yours is up (looked in {registry.stacks_folder()}); start one: [bold]testbeam up --detach[/]")
    for number, (entry, services) in enumerate(found):
        if number:
            console.print()
        _show(entry, services, console)


def told(entry: Entry) -> Told:
    """Return the services of a stack; in words why it does not answer."""
    if not entry.is_ready:
        return "starting"
    try:
        return ask_services(entry)
    except TestbeamError as error:
        return str(error)


def _as_json(entry: Entry, services: Told) -> dict[str, object]:
    if isinstance(services, str):
        return {**asdict(entry), "services": {"?": services}, "pids": {}}
    states = {one.name: one.state for one in services}
    return {**asdict(entry), "services": states, "pids": {one.name: one.pid for one in services}}


def _show(entry: Entry, services: Told, console: Console) -> None:
    console.print(
        f"[bold]{entry.id}[/]  {escape(entry.name)}{' (pytest)' if entry.session not in ('', SMOKE) else ''}  {_since(entry, services)}"
    )
    console.print(f"  folder  {escape(entry.folder or '-')}")
    if entry.file:
        console.print(f"  file    {escape(entry.file)}")
    if not isinstance(services, str):
        console.print(_table(entry, services), soft_wrap=False)
    epics = epics_variables(entry.endpoints.values())
    if epics:
        for name in ("EPICS_CA_ADDR_LIST", "EPICS_PVA_NAME_SERVERS"):
            console.print(f'  {name}="{escape(epics[name])}"')
        console.print(f'  for caget and pvget:  [bold]eval "$(testbeam env {entry.id})"[/]')
        console.print(f"  its PVs:  [bold]testbeam pvs --stack {entry.id}[/]")


def _table(entry: Entry, services: Sequence[ServiceFacts]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    for one in services:
        where = "\n".join(f"{name} {address}" for name, address in entry.endpoints.get(one.name, {}).items() if name != "address")
        state = one.state if one.state == "ready" else f"[red]{one.state}[/]"
        table.add_row(f"  {escape(one.name)}", state, "" if one.pid is None else f"pid {one.pid}", escape(where))
    return table


def _since(entry: Entry, services: Told) -> str:
    age = _age(time.time() - entry.wall_s)
    return f"up for {age}  {_summary(services)}" if entry.is_ready else f"starting for {age}"


def _summary(services: Told) -> str:
    if isinstance(services, str):
        return f"[red]{escape(services)}[/]"
    odd = [f"[red]{escape(one.name)} {one.state}[/]" for one in services if one.state != "ready"]
    return ", ".join([f"{len(services) - len(odd)} ready", *odd])


def _age(seconds: float) -> str:
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {left} s" if minutes else f"{left} s"
