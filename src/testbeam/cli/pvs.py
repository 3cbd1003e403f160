"""`testbeam pvs`: the records of a running stack's IOCs."""

import json
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import typer

from testbeam.cli.apps import new_app
from testbeam.cli.chosen_stack import chosen
from testbeam.cli.stack_option import StackOption
from testbeam.console.output import write
from testbeam.errors import StackError
from testbeam.hosting.facts import ServiceFacts, ask_services
from testbeam.stacks.roles.ioc.records_file import RECORDS_FILE

app = new_app()


@app.command()
def pvs(
    pattern: Annotated[
        str, typer.Argument(metavar="PATTERN", help="Only names that fit, with * and ?, such as 'TB:*'.", show_default=False)
    ] = "*",
    stack: StackOption = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object: IOC and its records.")] = False,
) -> None:
    """List the records of the IOCs of a running stack, by name; those of a running IOC of your own only where it writes them down."""
    entry = chosen(stack)
    iocs = [one for one in ask_services(entry) if one.role == "ioc"]
    if not iocs:
        raise StackError(f"stack {entry.id} ({entry.name}) has no IOC")
    found = {one.name: [name for name in records_of(one) if fnmatchcase(name, pattern)] for one in iocs}
    if as_json:
        write([[json.dumps(found, indent=2)]])
        return
    width = max(map(len, found)) if len(found) > 1 else 0
    write([f"{ioc:<{width}}  {name}" if width else name for name in names] for ioc, names in found.items())


def records_of(ioc: ServiceFacts) -> list[str]:
    """Return the names of an IOC's records, sorted; none where it has not written them."""
    file = Path(ioc.folder) / RECORDS_FILE
    return sorted(file.read_text(errors="replace").split()) if file.is_file() else []
