"""The options by which another program takes the place of ours in a role."""

from typing import Annotated, TypeAlias

import typer

_MORE = "May be given more than once."

LocalBuild: TypeAlias = Annotated[
    list[str] | None, typer.Option(metavar="ROLE=PATH", help=f"Run your own build of a role: its folder or program. {_MORE}")
]
Command: TypeAlias = Annotated[
    list[str] | None, typer.Option(metavar='ROLE="PROGRAM …"', help=f"Run this whole command line in a role. {_MORE}")
]
External: TypeAlias = Annotated[
    list[str] | None, typer.Option(metavar="ROLE=HOST:PORT", help=f"Start nothing for a role: it runs there already. {_MORE}")
]
