"""Endpoints of a running stack as a person sees them: who it is, and where its services can be reached."""

from rich.console import Console
from rich.table import Table

from testbeam.hosting.registry import Entry


def show_endpoints(console: Console, entry: Entry) -> None:
    """Print the stack's id and folder, and every endpoint."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for service, endpoints in entry.endpoints.items():
        for name, where in endpoints.items():
            table.add_row(f"[bold]{service}[/]", name, where)
    console.print(f"\nstack [bold]{entry.id}[/] ({entry.name}) is up in {entry.folder}", highlight=False, soft_wrap=True)
    if table.row_count:
        console.print(table, highlight=False)
