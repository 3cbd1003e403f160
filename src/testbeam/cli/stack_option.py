"""The option --stack of commands that are about a running stack."""

from typing import Annotated, TypeAlias

import typer

from testbeam.cli.chosen_stack import meant
from testbeam.stacks.client_variables import STACK

StackOption: TypeAlias = Annotated[
    str,
    typer.Option(
        "--stack",
        "-s",
        metavar="NAME",
        help=f"Name or id of the stack. Default: ${STACK}, that of this folder's testbeam.toml, else the one that is up.",
        show_default=False,
    ),
]


def names(stack: str) -> tuple[str, ...]:
    """Return what `registry.find` takes for the stack of this name, or the one that is meant where there is none."""
    return (stack or meant().id,)
