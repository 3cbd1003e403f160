"""`testbeam up`: a stack that stays until it is told to end."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from testbeam.cli.apps import new_app
from testbeam.cli.endpoints import show_endpoints
from testbeam.cli.foreground import declaration_of, label_of, replaced_in, started
from testbeam.cli.replacement_options import Command, External, LocalBuild
from testbeam.console import timeline
from testbeam.console.room import warn_of_little_room
from testbeam.console.signals import end_as_by_ctrl_c
from testbeam.errors import SettingsError
from testbeam.hosting import registry
from testbeam.hosting.detaching import detach as start_detached
from testbeam.hosting.detaching import prepare
from testbeam.hosting.hosted import StackInfo
from testbeam.kit import debugger, interrupts
from testbeam.kit.journal import Event
from testbeam.kit.stack import Stack

app = new_app()
OPTIONS = {"folder": "--folder"}  # parameter of the library → option


@app.command()
def up(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="A testbeam.toml, or its folder. Default: that of this folder, else the reference stack."),
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return once the stack is ready, and leave it up.")] = False,
    local_build: LocalBuild = None,
    command: Command = None,
    external: External = None,
    wait_to_attach_debugger: Annotated[
        list[str] | None,
        typer.Option(metavar="[=SERVICE]", help="Hold this service, or all, before its first instruction until a debugger lets it go on."),
    ] = None,
    name: Annotated[str, typer.Option(help="What to call it. Default: the name in the file.", show_default=False)] = "",
    folder: Annotated[
        Path | None, typer.Option(help="Where its logs and files go. Default: a temporary folder, removed at its end.")
    ] = None,
) -> None:
    """Start a stack and keep it up: until Ctrl-C, or with --detach until `testbeam down`.

    Tests join it with `pytest --testbeam-attach`, a prompt with `testbeam shell --attach`.
    """
    declaration = declaration_of(file, Console())
    stack = replaced_in(declaration, local_build, command, external)
    if wait_to_attach_debugger:
        if detach:
            raise SettingsError("--detach", "with --wait-to-attach-debugger", "one of the two: a held start is steered from this terminal")
        stack = debugger.held(stack, ["" if word == "*" else word for word in wait_to_attach_debugger])
    keep_up(stack, label_of(declaration, stack, name), folder=folder, detach=detach)


def keep_up(stack: Stack, label: StackInfo, *, folder: Path | None, detach: bool) -> None:
    """Start a stack and leave it up: detached, or until Ctrl-C or `testbeam down`."""
    console = Console()
    same = [entry for entry in registry.entries() if (entry.fingerprint, entry.file, entry.session) == (label.fingerprint, label.file, "")]
    if same:
        console.print(f"note: another stack of this declaration is up: {registry.listed(same)}", highlight=False)
    if detach:
        warn_of_little_room(folder, console)
        prepare(stack)
        with timeline.shown(console) as shown:
            entry = start_detached(stack, label, folder=folder, on_event=shown.heard)
        show_endpoints(console, entry)
        console.print(f"\nlogs: [bold]testbeam logs -f[/]   end it: [bold]testbeam down {entry.id}[/]", highlight=False)
        return
    end_as_by_ctrl_c()
    _keep_in_foreground(stack, label, folder, console)


def _keep_in_foreground(stack: Stack, label: StackInfo, folder: Path | None, console: Console) -> None:
    """Keep a stack up until Ctrl-C, which is its orderly end from the moment it is ready, or `testbeam down`."""
    tell = debugger.announcer(stack, lambda words: console.print(f"\n{words}\n", highlight=False, markup=False, soft_wrap=True))
    seen: set[str] = set()

    def heard(event: Event) -> None:
        seen.add(event.kind)
        tell(event)

    try:
        with started(stack, label, console, folder, heard) as holder:
            show_endpoints(console, holder.entry)
            console.print("\nCtrl-C ends it", highlight=False)
            interrupts.wait(holder.told_to_end)
    except KeyboardInterrupt:
        if "run_ready" not in seen:
            raise
