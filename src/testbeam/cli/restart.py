"""`testbeam restart`: one service of a running stack, on the same ports and folder."""

from typing import Annotated

import typer
from rich.console import Console

from testbeam.cli.apps import new_app
from testbeam.cli.stack_option import StackOption, names
from testbeam.hosting.attached import attach

app = new_app()


@app.command()
def restart(
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="Name of the service.")],
    stack: StackOption = "",
) -> None:
    """Stop a service, start it again, and wait until it is ready; one that has crashed is started again, too."""
    run = attach(*names(stack))
    try:
        handle = run[service]
        handle.restart()
        Console().print(f"{service} is {handle.state}, pid {handle.pid}", highlight=False)
    finally:
        run.close()
