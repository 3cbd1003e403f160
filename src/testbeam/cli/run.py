"""`testbeam run [FILE] -- COMMAND`: a stack for the time of a command."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console

from testbeam.cli.apps import new_app
from testbeam.cli.foreground import declaration_of, label_of, replaced_in, started
from testbeam.cli.replacement_options import Command, External, LocalBuild
from testbeam.cli.variables import variables_of
from testbeam.console.leftovers import ended_leftovers
from testbeam.console.signals import end_as_by_ctrl_c
from testbeam.errors import SettingsError
from testbeam.runtime import exit_codes

_app = new_app()
OPTIONS = {"folder": "--folder"}  # parameter of the library → option

_END = "--"


def app(argv: list[str], prog_name: str) -> None:
    """Run the command: what follows the first -- is the user's, and none of our options."""
    end = argv.index(_END) if _END in argv else len(argv)
    _app(argv[:end], prog_name=prog_name, obj=argv[end + 1 :])


@_app.command(options_metavar="[OPTIONS]", epilog="The command comes after --:  testbeam run -- pytest -x")
def run(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="A testbeam.toml, or its folder. Default: that of this folder, else the reference stack."),
    ] = None,
    local_build: LocalBuild = None,
    command: Command = None,
    external: External = None,
    folder: Annotated[
        Path | None, typer.Option(help="Where its logs and files go. Default: a temporary folder, removed at its end.")
    ] = None,
) -> None:
    """Start a stack, run COMMAND with the variables of `testbeam env`, and end the stack with it.

    The exit code is the command's: 127 if it is not there, 128 + n if signal n ended it, 3 if it succeeded while a service died. Ctrl-C is
    the command's first; the stack ends after it.
    """
    words: list[str] = context.obj
    if not words:
        raise SettingsError("COMMAND", None, "it after --, such as: testbeam run -- pytest")
    program = shutil.which(words[0])
    if program is None:
        raise typer.Exit(_not_there(words[0]))
    console = Console(stderr=True)
    declaration = declaration_of(file, console)
    stack = replaced_in(declaration, local_build, command, external)
    end_as_by_ctrl_c()
    with started(stack, label_of(declaration, stack), console, folder) as holder:
        code = _run(program, words, {**os.environ, **variables_of(holder.entry)})
        crashed = holder.run.crashed
    if crashed and code == exit_codes.OK:
        raise type(crashed[0])(*crashed[0].args)
    raise typer.Exit(code)


def _not_there(name: str) -> int:
    """Say why a command can't be run, and return the exit code that a shell gives."""
    found = Path(name).exists() if "/" in name else False
    why = "can't be executed; chmod +x it" if found else "is not there" if "/" in name else "is not in PATH"
    Console(stderr=True).print(f"[bold red]COMMAND[/] {name} {why}; no stack was started", highlight=False, soft_wrap=True)
    return exit_codes.NOT_EXECUTABLE if found else exit_codes.NOT_FOUND


def _run(program: str, words: list[str], environment: Mapping[str, str]) -> int:
    """Run the command to its end and return its exit code, 128 + n for signal n."""
    with ended_leftovers():
        process = subprocess.Popen([words[0], *words[1:]], executable=program, env=dict(environment))
        with _signals_of(process):
            code = process.wait()
    return 128 - code if code < 0 else code


@contextmanager
def _signals_of(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Leave Ctrl-C to the command for as long as it runs; a third one kills it. SIGTERM and SIGHUP are passed on."""
    pressed = 0

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        nonlocal pressed
        pressed += 1
        with suppress(ProcessLookupError):
            if pressed > 2:
                process.kill()
            elif not _terminal_tells_it():
                process.send_signal(signal.SIGINT)

    def pass_on(number: int, _frame: FrameType | None) -> None:
        with suppress(ProcessLookupError):
            process.send_signal(number)

    handlers = {signal.SIGINT: interrupt, signal.SIGTERM: pass_on, signal.SIGHUP: pass_on}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _terminal_tells_it() -> bool:
    """Return whether we are in the foreground of a terminal, whose Ctrl-C then reaches the command as well as us."""
    try:
        fd = os.open("/dev/tty", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(fd)
