"""`testbeam capacity livedata`: the highest rate of events that live data counts without falling behind, ours or yours."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from testbeam.cli.apps import new_app
from testbeam.console.json_file import answering
from testbeam.console.signals import end_as_by_ctrl_c
from testbeam.errors import SettingsError
from testbeam.runtime import exit_codes

app = new_app()


@app.command()
def capacity(
    role: Annotated[str, typer.Argument(metavar="ROLE", help="The role that is measured: livedata.")],
    rate: Annotated[float, typer.Option(min=0.1, help="Pulses per second to begin with; doubled until results come late.")] = 14.0,
    events_per_pulse: Annotated[int, typer.Option(min=1, help="Events of the panel in each pulse.")] = 10_000,
    seconds: Annotated[float, typer.Option(min=2.0, help="How long each rate is tried.")] = 5.0,
    late: Annotated[float, typer.Option(min=0.1, help="Seconds by which results may be late.")] = 0.5,
    local_build: Annotated[
        list[str] | None, typer.Option(metavar="PATH", help="Your build in the role: its folder; ROLE=PATH for another role.")
    ] = None,
    command: Annotated[list[str] | None, typer.Option(metavar="COMMAND", help="The command line that runs yours.")] = None,
    report: Annotated[Path, typer.Option(help="Where the page with the plot goes.")] = Path("capacity.html"),
    beside: Annotated[Path | None, typer.Option(help="What --json of another run has written: it is shown in the same plot.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the outcome to this file, for programs.")] = None,
) -> None:
    """Find the highest rate of events without lag on this machine, and plot how late results are over the rate."""
    from testbeam.stacks.replacing import parse_replacements
    from testbeam.suites.livedata import capacity as measuring
    from testbeam.suites.subject import Subject

    if role != "livedata":
        raise SettingsError("role", role, "livedata")
    subject = Subject(replacements=parse_replacements(local_build or (), command or (), (), role=role))
    other = None if beside is None else measuring.earlier(beside)
    name = ", ".join(subject.words()) or "testbeam's own"
    end_as_by_ctrl_c()
    console = Console()
    with answering(json_file) as answer:
        answer.check()
        plan = measuring.Plan(events_per_pulse=events_per_pulse, rate=rate, seconds=seconds, late_s=late)
        trials = measuring.measure(plan, subject, lambda text: console.print(text, highlight=False))
        report.write_text(measuring.page(trials, name, other), encoding="utf-8")
        answer.write(measuring.as_json(trials, name))
    found = measuring.best(trials)
    what = f"{found.events_per_s:,.0f} events per second without falling behind" if found else "no rate that was tried was kept up with"
    console.print(f"{what}; page: {report}", highlight=False)
    raise typer.Exit(exit_codes.OK if found else exit_codes.FAILED)
