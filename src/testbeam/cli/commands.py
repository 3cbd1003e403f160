"""The commands of testbeam by name: runs the one that was asked for, and turns testbeam's own errors into one clear paragraph."""

import difflib
import io
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from testbeam._version import __version__
from testbeam.cli.option_words import in_options
from testbeam.console.encoding import use_substitutes
from testbeam.errors import SettingsError, TestbeamError
from testbeam.runtime import exit_codes

if TYPE_CHECKING:
    from rich.console import Console

# name → what it does, in the order a newcomer meets them; a module is imported only when its command runs, so that --help is quick
COMMANDS = {
    "smoke": "Run the whole stack on real input; ends with a NeXus file, its audit and a report.",
    "up": "Start a stack and keep it up, in the foreground or detached.",
    "run": "Start a stack for the time of a command, such as: testbeam run -- pytest.",
    "env": "Print the variables by which other programs find a running stack.",
    "ps": "List the stacks that are up.",
    "pvs": "List the PVs of a running stack's IOCs.",
    "logs": "Show what the services of a running stack log.",
    "restart": "Restart one service of a running stack.",
    "down": "End a running stack, in order.",
    "shell": "Open a prompt on a stack, with the names that tests use.",
    "client": "Talk to the instrument's daemon: run commands, follow what happens.",
    "broker": "Apache Kafka by itself: fetch it ahead, or start a broker alone.",
    "topic": "Look at topics: list them, follow one, decode one message of any schema.",
    "record": "Record topics into a file, byte for byte.",
    "replay": "Send a recording to Kafka again.",
    "verify": "Run the black-box tests of a role, against ours or a build of yours.",
    "capacity": "Find the highest rate of events that live data counts without falling behind.",
    "ioc": "Look at an IOC's sources before it runs, or run it without a build.",
    "test": "Run checks of IOCs, scripts as for NixOS' test driver; one summary, JUnit and HTML.",
    "stream": "Send the events and logs of a NeXus file to Kafka.",
    "filewriter": "Make NeXus files from JSON, without Kafka.",
    "nexus": "Look into NeXus files: show one, compare two.",
    "audit": "Prove that a NeXus file holds every message of its job.",
    "doctor": "Say what this machine can do and what it lacks, each with the remedy.",
    "init": "Write what a project needs: a first stack with its test, a CI job.",
    "private": "Run a command in a network of its own, where the kernel allows it.",
    "bench": "Run the benchmarks, each a ratio of one run.",
}

WAIT = "--wait-to-attach-debugger"  # [=SERVICE]; alone it means every service
_HELP = ("-h", "--help", "help")


def run(argv: list[str]) -> int:
    """Run one command line and return its exit code.

    Raises:
        KeyboardInterrupt: Ctrl-C, of which the command itself has said nothing.
    """
    _substitute_what_a_terminal_lacks()
    if not argv or argv[0] in _HELP:
        return _help(argv[1:])
    if argv[0] == "--version":
        print(f"testbeam {__version__}")
        return exit_codes.OK
    if argv[0] not in COMMANDS:
        _say_unknown(argv[0])
        return exit_codes.USAGE
    return _invoke(argv[0], argv[1:])


def _substitute_what_a_terminal_lacks() -> None:
    """Have a character that the terminal's encoding lacks replaced by another, instead of a command ended by it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape", "backslashreplace"):
            use_substitutes(stream)


def _help(about: list[str]) -> int:
    """Show the list of commands, or the help of the one that is named."""
    if not about:
        _show_commands()
        return exit_codes.OK
    return run([*about, "--help"])


def _invoke(name: str, arguments: list[str]) -> int:
    try:
        import_module(f"testbeam.cli.{name}").app(_spelled_out(arguments), prog_name=f"testbeam {name}")
    except SystemExit as end:
        if (interrupt := _interrupt_behind(end)) is not None:
            raise interrupt from None
        return end.code if isinstance(end.code, int) else exit_codes.OK if end.code is None else exit_codes.FAILED
    except TestbeamError as error:
        _say(error, getattr(sys.modules.get(f"testbeam.cli.{name}"), "OPTIONS", {}))
        return exit_codes.USAGE if isinstance(error, SettingsError) else exit_codes.FAILED
    except ModuleNotFoundError as error:
        _say_missing(error)
        return exit_codes.FAILED
    return exit_codes.OK


def _interrupt_behind(end: SystemExit) -> KeyboardInterrupt | None:
    """Return the Ctrl-C of which typer has made an exit; a command that has had its say has made one itself, from None."""
    cause = end.__context__.__cause__ if end.__context__ is not None else None
    return cause if isinstance(cause, KeyboardInterrupt) else None


def _spelled_out(arguments: list[str]) -> list[str]:
    """Give the one option whose value may be left out its value, which the option parser insists on; `true` behind it says the same."""
    found: list[str] = []
    for word in arguments:
        if word == "true" and found[-1:] == [f"{WAIT}=*"]:
            continue
        found.append(f"{WAIT}=*" if word == WAIT else word)
    return found


def _console(*, stderr: bool = False) -> "Console":
    from rich.console import Console  # late: the quick commands print plain text

    return Console(stderr=stderr)


def _show_commands() -> None:
    from rich.table import Table

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 2))
    for name, what in COMMANDS.items():
        table.add_row(f"[bold]{name}[/]", what)
    console = _console()
    console.print(
        "Usage: testbeam COMMAND [OPTIONS]…\n\nA whole neutron beamline's software on one machine, and the tests that prove it.\n"
    )
    console.print(table)
    console.print("\n'testbeam help COMMAND' tells more; 'testbeam --version' tells the version.", highlight=False)


def _say_unknown(name: str) -> None:
    near = difflib.get_close_matches(name, COMMANDS)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(COMMANDS)}"
    _console(stderr=True).print(f"[bold red]No such command[/] {name!r}; {hint}", highlight=False)


def _say(error: TestbeamError, options: Mapping[str, str]) -> None:
    """Print what went wrong, and what was noted about it on its way; the name of an error's class tells a reader nothing."""
    console = _console(stderr=True)
    console.print("[bold red]error:[/]", end=" ")
    for line in (str(error), *getattr(error, "__notes__", ())):
        console.print(in_options(line, options), markup=False, highlight=False, soft_wrap=True)


def _say_missing(error: ModuleNotFoundError) -> None:
    """Name the extra that brings a module: the core install is small."""
    if (error.name or "").startswith("testbeam"):
        raise error
    _console(stderr=True).print(
        f"[bold red]Missing package[/] {error.name}: this command needs the extras; see the README on how to install them",
        highlight=False,
    )
