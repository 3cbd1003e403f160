"""`testbeam ioc`: looks at an IOC's sources, runs one, and speaks to its shell."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from testbeam.cli.apps import new_app

if TYPE_CHECKING:
    from testbeam.services.ioc.lint import Finding

app = new_app(has_commands=True)


@app.callback()
def _ioc() -> None:
    """Look at an IOC's sources, or run one."""


@app.command()
def lint(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="An IOC's folder, or one start-up file.")] = Path(),
    strict: Annotated[bool, typer.Option("--strict", help="Fail on warnings, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Find unread replies, missing macros, unknown records and DTYPs, unused protocols and formats that can't match; nothing is run."""
    from testbeam.services.ioc.lint import ERROR, Definitions, Lint, scripts
    from testbeam.transport.epics_libraries import folder

    definitions = Definitions.of(folder("epicscorelibs") / "dbd")
    found = [finding for script in scripts(path) for finding in Lint(script, definitions).run()]
    findings = sorted(set(found))
    if as_json:
        print(json.dumps([{"file": f.file, "line": f.line, "level": f.level, "message": f.message} for f in findings], indent=1))
    else:
        _show(findings)
    errors = sum(finding.level == ERROR for finding in findings)
    raise typer.Exit(1 if errors or (strict and findings) else 0)


def _show(findings: "list[Finding]") -> None:
    console = Console(highlight=False, soft_wrap=True)
    for finding in findings:
        console.print(escape(str(finding)))
    console.print(f"{len(findings)} findings" if findings else "nothing found")


@app.command()
def run(
    script: Annotated[Path, typer.Argument(metavar="FILE", help="Start-up file, such as iocBoot/iocExample/st.cmd.")],
    device: Annotated[list[str] | None, typer.Option(help="What stands for a device: ps.lab:23=localhost:9999; may be repeated.")] = None,
    address: Annotated[str, typer.Option(help="Loopback address to serve on.")] = "127.0.0.1",
) -> None:
    """Run an IOC from its start-up file and its sources, without a build, until Ctrl-C."""
    import sys

    from testbeam.runtime.program import run as run_program
    from testbeam.services.ioc.service import serve
    from testbeam.services.ioc.settings import IocSettings

    words = ["--st-cmd", str(script), "--address", address]
    words += [word for entry in device or () for word in ("--device", entry)]
    sys.exit(run_program("ioc", IocSettings, serve, words))
