"""`testbeam verify ROLE`: the black-box suite of a role, against ours or a build of one's own."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from testbeam.cli.apps import new_app
from testbeam.cli.commands import WAIT
from testbeam.console.json_file import answering
from testbeam.console.signals import end_as_by_ctrl_c
from testbeam.errors import SettingsError
from testbeam.runtime import exit_codes

app = new_app()


@app.command()
def verify(
    role: Annotated[str, typer.Argument(metavar="ROLE", help="The role whose suite is run.", show_default=False)] = "",
    local_build: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="Your build in the role: its folder or program; ROLE=PATH for another role."),
    ] = None,
    command: Annotated[list[str] | None, typer.Option(metavar="COMMAND", help="The command line that runs yours.")] = None,
    external: Annotated[list[str] | None, typer.Option(metavar="HOST:PORT", help="Yours runs already, and is reached there.")] = None,
    nicos: Annotated[
        str, typer.Option(metavar="PATH", help="A checkout of NICOS: as --local-build control=PATH.", show_default=False)
    ] = "",
    wait_to_attach_debugger: Annotated[
        str | None,
        typer.Option(
            metavar="[=SERVICE]", help="Hold the role's service, or this one, until a debugger lets it go on.", show_default=False
        ),
    ] = None,
    select: Annotated[str, typer.Option("-k", metavar="EXPR", help="Only tests whose names fit, as pytest's -k.", show_default=False)] = "",
    workers: Annotated[int, typer.Option("-n", min=0, help="Processes that share the tests; 0: none but this one.")] = 0,
    build: Annotated[
        str, typer.Option(help="The build whose known failures are expected; 'none' for none. Default: recognised.", show_default=False)
    ] = "",
    folder: Annotated[
        Path | None, typer.Option(help="Where logs and pages of failures go. Default: runtime/verify-ROLE.", show_default=False)
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the outcome to this file, for programs.")] = None,
    listed: Annotated[bool, typer.Option("--list", help="List the roles that have a suite.")] = False,
) -> None:
    """Run the black-box tests of a role on a stack: against testbeam's own, or with yours in its place.

    Exit code 0 only if every test passed that is not known to fail with the build that was recognised.
    """
    from testbeam.stacks.replacing import parse_replacements
    from testbeam.suites import runner, summary  # late: pytest is loaded when a suite is run
    from testbeam.suites.subject import Subject

    if listed or not role:
        print("\n".join(runner.roles()))
        raise typer.Exit(exit_codes.OK if listed else exit_codes.USAGE)
    builds = [*(local_build or ()), *([f"control={nicos}"] if nicos else [])]
    subject = Subject(replacements=parse_replacements(builds, command or (), external or (), role=role))
    where = (folder or Path("runtime") / f"verify-{role}").absolute()
    end_as_by_ctrl_c()
    with answering(json_file) as answer:
        answer.check()
        _make(where)
        held = role if wait_to_attach_debugger in ("*", "true") else wait_to_attach_debugger
        further = () if held is None else (f"{WAIT}={held}",)
        order = runner.Order(role=role, subject=subject, folder=where, select=select, workers=workers, build=build, further=further)
        outcome = runner.run(order)
        summary.show(outcome, Console())
        answer.write(outcome.as_json())
    raise typer.Exit(exit_codes.INTERRUPTED if outcome.interrupted else exit_codes.OK if outcome.ok else exit_codes.FAILED)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError("--folder", str(folder), f"a folder that can be written ({error.strerror})") from None
