"""How a command is told which of the running stacks it is about."""

from typing import Annotated, TypeAlias

import typer

StackOption: TypeAlias = Annotated[
    str, typer.Option("--stack", "-s", metavar="NAME", help="Name or id of the stack. Default: the one that is up.", show_default=False)
]


def names(stack: str) -> tuple[str, ...]:
    """Return what `registry.find` takes."""
    return (stack,) if stack else ()
