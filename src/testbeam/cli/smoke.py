"""`testbeam smoke`: the whole chain on real input, in one command."""

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from testbeam.cli.apps import new_app
from testbeam.console.json_file import JsonFile, answering
from testbeam.console.room import warn_of_little_room
from testbeam.console.signals import end_as_by_ctrl_c
from testbeam.errors import SettingsError, TestbeamError
from testbeam.kit import template
from testbeam.runtime import exit_codes
from testbeam.stacks.topics import Topics
from testbeam.suites.first_light import folder as folders
from testbeam.suites.first_light import summary
from testbeam.suites.first_light.outcome import Outcome
from testbeam.suites.first_light.plan import Plan
from testbeam.suites.first_light.session import Session

app = new_app()


@app.command()
def smoke(
    what: Annotated[
        str, typer.Argument(metavar="control", help="control: the stack of instrument control instead", show_default=False)
    ] = "",
    seed: Annotated[int, typer.Option(help="seed of the events: the same seed gives the same events")] = 0,
    events: Annotated[int, typer.Option(min=1, help="events of the panel during the job")] = 1_000_000,
    keep_kafka: Annotated[bool, typer.Option("--keep-kafka", help="leave Kafka up with its topics until Ctrl-C")] = False,
    clean_runtime: Annotated[bool, typer.Option(help="remove the services' folders after a good run; logs, file and report stay")] = True,
    runtime: Annotated[Path, typer.Option(help="folder of the run; runtime-2 and so on while another run is in it")] = Path("runtime"),
    bootstrap: Annotated[str, typer.Option(help="use the broker that runs at HOST:PORT instead of starting one")] = "",
    select: Annotated[str, typer.Option("-k", metavar="EXPR", help="with control: only tests whose names fit, as pytest's -k")] = "",
    json_file: Annotated[Path | None, typer.Option("--json", help="write the outcome to this file, for programs")] = None,
) -> None:
    """Start the whole stack, write one NeXus file from real EPICS PVs and seeded neutron events, and prove that nothing was lost."""
    console = Console()
    if what not in ("", "control"):
        raise SettingsError("smoke", what, f"nothing, for the whole chain, or control{template.meant(what, ('control',))}")
    if select and not what:
        raise SettingsError("-k", select, "it with control only: the whole chain is one piece")
    end_as_by_ctrl_c()
    if what:
        from testbeam.suites.control_smoke import smoke_control  # late: it loads pytest

        with answering(json_file) as answer, folders.claimed(runtime) as folder:
            answer.check()
            ok = smoke_control(
                folder, console, bootstrap=bootstrap, keep_kafka=keep_kafka, keep_run=not clean_runtime, select=select, tell=answer.write
            )
        raise typer.Exit(exit_codes.OK if ok else exit_codes.FAILED)
    instrument = f"tb_{time.time_ns():x}" if bootstrap else "tb"  # names of this run's own, where others share the broker
    plan = Plan(seed=seed, events=events, topics=Topics(prefix=instrument))
    with answering(json_file) as answer, folders.claimed(runtime) as folder:
        answer.check()
        warn_of_little_room(folder, console)
        session = Session(plan, folder, console)
        try:
            outcome = _outcome(session, bootstrap, answer, console, keep_kafka=keep_kafka)
        except KeyboardInterrupt:
            answer.write({"ok": False, "error": "interrupted"})
            console.print(f"\ninterrupted: {_left_over(session)}", highlight=False, soft_wrap=True)
            code = exit_codes.INTERRUPTED
        else:
            _clear_up(outcome, folder, json_file, clean_runtime=clean_runtime)
            answer.write(outcome.as_json())  # once nothing can fail any more
            code = exit_codes.OK if outcome.ok else exit_codes.FAILED
    raise typer.Exit(code)


def _outcome(session: Session, bootstrap: str, answer: JsonFile, console: Console, *, keep_kafka: bool) -> Outcome:
    """Run it and show what came of it.

    Raises:
        TestbeamError: it could not be run to its end; says where the last one is that was.
    """
    try:
        with session.up(bootstrap):
            outcome = session.outcome()
            summary.show(outcome, console)
            if keep_kafka:
                answer.write(outcome.as_json())  # while it stays is when programs want to know
                session.stay()
    except TestbeamError as error:
        if last := folders.last(session.folder):
            error.add_note(f"the last whole run is in {last}")
        raise
    return outcome


def _clear_up(outcome: Outcome, folder: Path, answer: Path | None, *, clean_runtime: bool) -> None:
    """Remove, after a good run, what was set aside, and unless it is to stay all that nobody wants to keep."""
    if outcome.ok:
        folders.forget_last(folder)
        if clean_runtime:
            folders.clean(folder, answer)


def _left_over(session: Session) -> str:
    """Return what is left of a run that was interrupted."""
    file = f"; the file, not written to its end, is {session.unfinished}" if session.unfinished else ""
    last = folders.last(session.folder)
    whole = f"; the last whole run is in {last}" if last else ""
    return f"nothing of it runs any more; logs are in {session.folder / 'log'}{file}{whole}"
