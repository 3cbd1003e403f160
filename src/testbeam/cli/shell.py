"""`testbeam shell`: a prompt on a running stack."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from testbeam.cli.apps import new_app
from testbeam.cli.stack_option import StackOption, names
from testbeam.console import timeline
from testbeam.errors import SettingsError

if TYPE_CHECKING:
    from testbeam.hosting.attached import AttachedRun
    from testbeam.kit.handle import Handle
    from testbeam.kit.run import Run
    from testbeam.stacks.toml.file import Declaration

app = new_app()


@app.command()
def shell(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE", help="A testbeam.toml, or the script of a check. Default: that of this folder, else the reference stack."
        ),
    ] = None,
    attach: Annotated[
        bool, typer.Option("--attach", "-a", help="Join the running stack of that file instead; without a file, the one that is up.")
    ] = False,
    stack: StackOption = "",
) -> None:
    """Open IPython with the names that tests use: run, stack, topic, name, pv, faults, and each service by its own.

    `%save_test NAME` writes what went well as a test. Without --attach or --stack, which joins by name, the stack ends with the prompt.
    """
    if file is not None and file.suffix == ".py":
        from testbeam.cli.check_prompt import open_prompt

        open_prompt(file)
        return
    try:
        from IPython.terminal.interactiveshell import TerminalInteractiveShell
    except ImportError:
        raise SettingsError("shell", "IPython", "the extra that brings it:  pip install 'testbeam[shell]'") from None
    from testbeam.cli.prompt.names import namespace, service_names
    from testbeam.cli.prompt.recorder import install

    console = Console()
    with _joined(file, stack, console) if attach or stack else _started(file, console) as (run, declaration):
        known = namespace(run, declaration.stack)
        prompt: Any = TerminalInteractiveShell.instance(user_ns=dict(known), banner1=_banner(list(known)), confirm_exit=False)
        install(prompt, service_names(list(run)), str(declaration.file or ""))
        prompt.show_banner()
        prompt.mainloop()


@contextmanager
def _started(file: Path | None, console: Console) -> "Iterator[tuple[Run, Declaration]]":
    from testbeam.cli.foreground import declaration_of

    declaration = declaration_of(file, console)
    with timeline.shown(console) as shown:
        run = declaration.stack.run(on_event=shown.heard, on_crash=_tell)
        run.start()
    try:
        yield run, declaration
    finally:
        console.print("stopping")
        run.stop()


@contextmanager
def _joined(file: Path | None, stack: str, console: Console) -> "Iterator[tuple[AttachedRun, Declaration]]":
    from testbeam.hosting.attached import attach
    from testbeam.stacks.toml.file import Declaration

    wanted = _wanted(file, stack)
    run = attach(
        *(() if wanted and not stack else names(stack)),
        fingerprint=wanted.fingerprint if wanted and not stack else "",
        declared=wanted.stack.services if wanted else (),
        on_crash=_tell,
    )
    entry = run.entry
    console.print(f"joined stack {entry.id} ({entry.name})", highlight=False)
    try:
        yield run, wanted or Declaration(name=entry.name, prefix="", stack=run.stack, file=Path(entry.file) if entry.file else None)
    finally:
        run.close()


def _wanted(file: Path | None, stack: str) -> "Declaration | None":
    """Return the declaration whose stack is meant: of FILE, else of the testbeam.toml here or above; None where that does not decide."""
    from testbeam.stacks.toml.file import find, load

    found = file if file is not None or stack else find()
    return None if found is None else load(found)


def _tell(handle: "Handle") -> None:
    print(f"\n{handle.name} has ended unexpectedly: {handle.name}.log_tail(), {handle.name}.restart()")


def _banner(known: list[str]) -> str:
    return f"names: {', '.join(known)}\n%save_test NAME writes what went well as a test\n\n"
