"""`testbeam env`: the variables by which other programs find a stack that is up.

By argparse, which is there in a tenth of the time of the library that other commands use: shells run this one at every prompt.
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path

from testbeam.cli.chosen_stack import chosen, meant
from testbeam.cli.variables import FORMS, variables_of
from testbeam.hosting.registry import Entry
from testbeam.stacks.toml.file import FILE_NAME

_FORMS = {
    "json": "one JSON object",
    "dotenv": "lines of a .env file",
    "github": 'lines for a job of GitHub: >> "$GITHUB_ENV"',
}


def app(argv: list[str], prog_name: str) -> None:
    """Print the variables of the stack that is meant, in the form that is asked for."""
    given = _parser(prog_name).parse_args(argv)
    print(FORMS[given.form](variables_of(_entry(given.stack))))


def _parser(prog_name: str) -> ArgumentParser:
    parser = ArgumentParser(
        prog=prog_name,
        formatter_class=RawDescriptionHelpFormatter,
        description="Print the variables of a running stack: broker, EPICS, output folder, endpoints, pids. Nothing is started.\n\n"
        'In a shell:  eval "$(testbeam env)"',
    )
    parser.add_argument(
        "stack",
        metavar="FILE|NAME",
        nargs="?",
        default="",
        help=f"a {FILE_NAME} whose stack is up, or the name or id of one; default: that of this folder's file, else the one that is up",
    )
    forms = parser.add_mutually_exclusive_group()
    for name, what in _FORMS.items():
        forms.add_argument(f"--{name}", dest="form", action="store_const", const=name, default="sh", help=what)
    return parser


def _entry(stack: str) -> Entry:
    """Return the stack of a file, which need not be there any more, or of a name."""
    if stack.endswith(".toml") or "/" in stack or Path(stack).is_file():
        return meant(Path(stack))
    return chosen(stack)
