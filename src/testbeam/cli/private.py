"""`testbeam private COMMAND…`: runs a command in a network of its own."""

import os
from typing import Annotated

import typer

from testbeam.cli.apps import new_app
from testbeam.errors import SettingsError
from testbeam.kit import private_net

app = new_app()


@app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def private(command: Annotated[list[str], typer.Argument(metavar="COMMAND", help="what to run, such as: pytest -n 4")]) -> None:
    """Run a command where every loopback port is free and nothing outside is reached; needs no root, where the kernel allows it."""
    private_net.enter()
    try:
        os.execvp(command[0], command)
    except OSError as error:
        raise SettingsError("COMMAND", command[0], f"a program that can be run ({error.strerror})") from None
