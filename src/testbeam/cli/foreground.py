"""A stack that a command holds in its own process: started with its timeline shown, registered, and ended with the block."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from testbeam.console import timeline
from testbeam.console.room import warn_of_little_room
from testbeam.hosting.hosted import HostedRun, StackInfo, hosted, starting
from testbeam.kit.journal import Event
from testbeam.kit.stack import Stack
from testbeam.stacks.fingerprint import fingerprint
from testbeam.stacks.replacing import apply, parse_replacements
from testbeam.stacks.toml.file import Declaration, declared, reference, why_reference


def declaration_of(file: Path | None, console: Console) -> Declaration:
    """Return the declaration that a command means by FILE; say why where it is the reference stack.

    Raises:
        StackError: the file is not there or can't be used.
    """
    declaration = declared(file)
    if declaration.file is None:
        console.print(why_reference(declaration), style="dim", highlight=False, soft_wrap=True)
    return declaration


def replaced_in(declaration: Declaration, local_build: list[str] | None, command: list[str] | None, external: list[str] | None) -> Stack:
    """Return the declared stack with what the words of the three options put into its roles.

    Raises:
        SettingsError: a word is not of its form.
        StackError: what takes a place is not there or not of the right form.
    """
    replacements = parse_replacements(local_build or (), command or (), external or ())
    if declaration.file is None and any(one.role == "livedata" for one in replacements):
        declaration = reference(live=True)
    return apply(declaration.stack, replacements) if replacements else declaration.stack


def label_of(declaration: Declaration, stack: Stack, name: str = "") -> StackInfo:
    """Return what the stack is registered as."""
    return StackInfo(
        name=name or declaration.name,
        fingerprint=fingerprint(stack),
        file=str(declaration.file or ""),
        env_names=declaration.env_names,
    )


@contextmanager
def started(
    stack: Stack, label: StackInfo, console: Console, folder: Path | None = None, on_event: Callable[[Event], None] = lambda _: None
) -> Iterator[HostedRun]:
    """Start a stack, register it for others, and stop it at the end of the block; tell of services that end meanwhile.

    Its folder stays if a service ended unasked.

    Raises:
        StackError: it did not come up.
    """
    warn_of_little_room(folder, console)
    with timeline.shown(console) as shown:

        def heard(event: Event) -> None:
            shown.heard(event)
            on_event(event)

        run = stack.run(folder, on_event=heard)
        with starting(run, label):
            run.start()
    run.journal.subscribe(lambda event: _tell(event, console))
    try:
        with hosted(run, label) as holder:
            yield holder
    finally:
        console.print("stopping")
        run.keep = run.keep or bool(run.crashed)
        run.stop()


def _tell(event: Event, console: Console) -> None:
    if event.kind in {"crashed", "failed"}:
        console.print(f"[bold red]{event.service} {event.kind}[/]: {event.data.get('how') or event.data.get('error')}", highlight=False)
