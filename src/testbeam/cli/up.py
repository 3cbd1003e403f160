"""`testbeam up`: a stack that stays until it is told to end."""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from testbeam.cli.endpoints import show_endpoints
from testbeam.console import timeline
from testbeam.console.signals import end_as_by_ctrl_c
from testbeam.errors import SettingsError, StackError
from testbeam.hosting.detaching import detach as start_detached
from testbeam.hosting.hosted import StackInfo, hosted
from testbeam.kit import debugger, environment, interrupts, template
from testbeam.kit.journal import Event
from testbeam.kit.run import Run
from testbeam.kit.stack import Stack
from testbeam.stacks.fingerprint import fingerprint
from testbeam.stacks.replacing import apply, parse_replacements
from testbeam.stacks.toml.file import declared

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_REPLACE = typer.Option(metavar="ROLE=…", help="Your own build, command line, or HOST:PORT in a role; may be given more than once.")


@app.command()
def up(
    file: Annotated[Path | None, typer.Argument(help="A testbeam.toml. Default: that of this folder, else the reference stack.")] = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return once the stack is ready, and leave it up.")] = False,
    local_build: Annotated[list[str] | None, _REPLACE] = None,
    command: Annotated[list[str] | None, _REPLACE] = None,
    external: Annotated[list[str] | None, _REPLACE] = None,
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
    console = Console()
    declaration = declared(file)
    replacements = parse_replacements(local_build or (), command or (), external or ())
    stack = apply(declaration.stack, replacements) if replacements else declaration.stack
    if wait_to_attach_debugger:
        if detach:
            raise SettingsError("--detach", "with --wait-to-attach-debugger", "one of the two: a held start is steered from this terminal")
        stack = debugger.held(stack, ["" if word == "*" else word for word in wait_to_attach_debugger])
    label = StackInfo(name=name or declaration.name, fingerprint=fingerprint(stack), file=str(declaration.file or ""))
    if detach:
        _prepare(stack)
        with timeline.shown(console) as shown:
            entry = start_detached(stack, label, folder=folder, on_event=shown.heard)
        show_endpoints(console, entry)
        console.print(f"\nlogs: [bold]testbeam logs -f[/]   end it: [bold]testbeam down {entry.id}[/]", highlight=False)
        return
    end_as_by_ctrl_c()
    tell = debugger.announcer(stack, lambda words: console.print(f"\n{words}\n", highlight=False, markup=False, soft_wrap=True))
    with timeline.shown(console) as shown:

        def heard(event: Event) -> None:
            shown.heard(event)
            tell(event)

        run = stack.run(folder, on_event=heard)
        run.start()
    _hold(run, label, console)


def _prepare(stack: Stack) -> None:
    """Do on this terminal, where its progress can be seen, what services are prepared with; the holder finds it done.

    Whatever goes wrong here goes wrong there, too, and is told then.
    """
    for service in stack.services:
        with suppress(StackError, OSError):  # it needs more than the interpreter, or is not there
            for words in service.prepare:
                argv = [template.fill(word, {"python": sys.executable}, service.name) for word in words]
                subprocess.run(argv, env=environment.scrubbed(), stdin=subprocess.DEVNULL, check=False)


def _hold(run: Run, label: StackInfo, console: Console) -> None:
    """Keep a ready run up until Ctrl-C or `testbeam down`, telling of services that end meanwhile."""

    def heard(event: Event) -> None:
        if event.kind in {"crashed", "failed"}:
            console.print(f"[bold red]{event.service} {event.kind}[/]: {event.data.get('how') or event.data.get('error')}", highlight=False)

    run.journal.subscribe(heard)
    try:
        with suppress(KeyboardInterrupt), hosted(run, label) as holder:
            show_endpoints(console, holder.entry)
            console.print("\nCtrl-C ends it", highlight=False)
            interrupts.wait(holder.told_to_end)
    finally:
        console.print("stopping")
        run.keep = run.keep or bool(run.crashed)
        run.stop()
