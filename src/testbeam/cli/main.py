"""The `testbeam` command: finds the command that was asked for, and turns testbeam's own errors into one clear paragraph."""

import difflib
import sys
from importlib import import_module

from rich.console import Console
from rich.table import Table

from testbeam._version import __version__
from testbeam.errors import SettingsError, TestbeamError
from testbeam.runtime import exit_codes

# name → what it does, in the order a newcomer meets them; a module is imported only when its command runs, so that --help is quick
COMMANDS = {
    "smoke": "Run the whole stack on real input; ends with a NeXus file, its audit and a report.",
    "up": "Start a stack and keep it up, in the foreground or detached.",
    "ps": "List the stacks that are up.",
    "logs": "Show what the services of a running stack log.",
    "restart": "Restart one service of a running stack.",
    "down": "End a running stack, in order.",
    "shell": "Open a prompt on a stack, with the names that tests use.",
    "broker": "Fetch Apache Kafka into the cache ahead of its first use.",
    "topic": "Look at topics: list them, follow one, decode one message of any schema.",
    "record": "Record topics into a file, byte for byte.",
    "replay": "Send a recording to Kafka again.",
    "verify": "Run the black-box tests of a role, against ours or a build of yours.",
    "audit": "Prove that a NeXus file holds every message of its job.",
    "doctor": "Say what this machine can do and what it lacks, each with the remedy.",
    "init": "Write what a project needs: a CI job with the jar cache.",
    "private": "Run a command in a network of its own, where the kernel allows it.",
    "bench": "Run the benchmarks, each a ratio of one run.",
}

WAIT = "--wait-to-attach-debugger"  # [=SERVICE]; alone it means every service


def main() -> None:
    """Run the command named by the first argument; an error that testbeam names is shown without a traceback."""
    sys.exit(run(sys.argv[1:]))


def run(argv: list[str]) -> int:
    """Run one command line and return its exit code."""
    if not argv or argv[0] in ("-h", "--help"):
        _show_commands()
        return exit_codes.OK
    if argv[0] == "--version":
        Console().print(f"testbeam {__version__}", highlight=False)
        return exit_codes.OK
    if argv[0] not in COMMANDS:
        _say_unknown(argv[0])
        return exit_codes.USAGE
    return _invoke(argv[0], argv[1:])


def _invoke(name: str, arguments: list[str]) -> int:
    try:
        import_module(f"testbeam.cli.{name}").app([_spelled_out(word) for word in arguments], prog_name=f"testbeam {name}")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else exit_codes.OK if end.code is None else exit_codes.FAILED
    except TestbeamError as error:
        _say(error)
        return exit_codes.USAGE if isinstance(error, SettingsError) else exit_codes.FAILED
    except ModuleNotFoundError as error:
        _say_missing(error)
        return exit_codes.FAILED
    return exit_codes.OK


def _spelled_out(word: str) -> str:
    """Give the one option whose value may be left out its value, which the option parser insists on."""
    return f"{WAIT}=*" if word == WAIT else word


def _show_commands() -> None:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 2))
    for name, what in COMMANDS.items():
        table.add_row(f"[bold]{name}[/]", what)
    console = Console()
    console.print(
        "Usage: testbeam COMMAND [OPTIONS]…\n\nA whole neutron beamline's software on one machine, and the tests that prove it.\n"
    )
    console.print(table)
    console.print("\n'testbeam COMMAND --help' tells more; 'testbeam --version' tells the version.", highlight=False)


def _say_unknown(name: str) -> None:
    near = difflib.get_close_matches(name, COMMANDS)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(COMMANDS)}"
    Console(stderr=True).print(f"[bold red]No such command[/] {name!r}; {hint}", highlight=False)


def _say(error: TestbeamError) -> None:
    console = Console(stderr=True)
    console.print(f"[bold red]{type(error).__name__}[/]", end=" ")
    console.print(str(error), markup=False, highlight=False, soft_wrap=True)


def _say_missing(error: ModuleNotFoundError) -> None:
    """Name the extra that brings a module: the core install is small."""
    if (error.name or "").startswith("testbeam"):
        raise error
    Console(stderr=True).print(
        f"[bold red]Missing package[/] {error.name}: this command needs the extras; install them with  pip install 'testbeam\\[all]'",
        highlight=False,
    )
