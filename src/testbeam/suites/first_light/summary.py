"""The few lines at the end of a smoke run that a person reads."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from testbeam.suites.first_light.outcome import Outcome


def show(outcome: Outcome, console: Console) -> None:
    """Print services, traffic and the audit, then where file and report are."""
    console.print()
    console.print(_services(outcome))
    console.print()
    console.print(_traffic(outcome))
    console.print()
    console.print(verdict(outcome), soft_wrap=True)
    for finding in outcome.audit.findings[:10]:
        console.print(f"  [red]✗[/] {finding}", highlight=False, soft_wrap=True)
    console.print()
    for name, path in (("NeXus file", outcome.file), ("report", outcome.report)):
        console.print(f"  {name:<11}[bold]{path}[/]", highlight=False, soft_wrap=True)
    console.print(f"  {'took':<11}{outcome.total_s:.1f} s, stack ready after {outcome.ready_s:.2f} s", highlight=False)


def verdict(outcome: Outcome) -> Text:
    """Return the sentence that says whether anything was lost."""
    audit = outcome.audit
    filtered = sum(audit.filtered.values())
    if outcome.ok:
        sentence = f"{audit.written:,} of {audit.expected:,} messages of the job are in the file; {filtered:,} others are accounted for."
        return Text(f"✓ Nothing lost: {sentence}", style="bold green")
    if audit.ok and outcome.events:
        return Text(f"✗ Live data counted {outcome.counted_live:,} events where the file holds {outcome.events:,}.", style="bold red")
    faults = ", ".join(f"{n} {kind}" for kind, n in audit.faults.items()) or "no events in the file"
    return Text(f"✗ The file is not what Kafka says it must be: {faults}.", style="bold red")


def _services(outcome: Outcome) -> Table:
    table = Table(box=None, pad_edge=False, title="Services", title_justify="left", title_style="bold", header_style="dim")
    for head, justify in (("service", "left"), ("ready after", "right"), ("what its probe saw", "left")):
        table.add_column(head, justify=justify)  # type: ignore[arg-type]  # rich's own literals
    for line in outcome.services:
        table.add_row(line.name, f"{line.ready_s:.2f} s", line.detail[:70])
    return table


def _traffic(outcome: Outcome) -> Table:
    table = Table(box=None, pad_edge=False, title="Audit of the job", title_justify="left", title_style="bold", header_style="dim")
    table.add_column("messages")
    table.add_column("", justify="right")
    audit = outcome.audit
    table.add_row("on the data topics", f"{audit.read:,}")
    table.add_row("belong into the file", f"{audit.expected:,}")
    table.add_row("are in it, value by value", f"{audit.written:,}", style="green" if audit.ok else "")
    for reason, n in audit.filtered.items():
        table.add_row(f"not: {reason}", f"{n:,}", style="dim")
    for kind, n in audit.faults.items():
        table.add_row(kind, f"{n:,}", style="bold red")
    table.add_row("events of the panel", f"{outcome.events:,}")
    table.add_row("the same, counted live", f"{outcome.counted_live:,}")
    table.add_row("bytes of the file", f"{outcome.file.stat().st_size:,}")
    return table
