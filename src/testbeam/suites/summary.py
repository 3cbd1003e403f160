"""The lines at the end of a suite's run: counts, then each test that failed, was expected to, or passed unexpectedly."""

from rich.console import Console

from testbeam.suites.runner import Outcome

_COLOURS = {"failed": "red", "expected failure": "yellow", "unexpected pass": "yellow"}


def show(outcome: Outcome, console: Console) -> None:
    """Print the outcome of a suite."""
    console.print()
    for case in outcome.cases:
        if case.outcome in _COLOURS:
            name = case.name.rpartition("/")[2]
            console.print(f"[{_COLOURS[case.outcome]}]{case.outcome:<16}[/]", end=" ")
            console.print(f"{name}  {case.why}".rstrip(), markup=False, highlight=False, soft_wrap=True)
    console.print(f"[bold {'green' if outcome.ok else 'red'}]{_sentence(outcome)}[/]", highlight=False, soft_wrap=True)
    console.print(f"logs, pages of failures: [bold]{outcome.folder}[/]", highlight=False, soft_wrap=True)


def _sentence(outcome: Outcome) -> str:
    counts = {
        "passed": outcome.count("passed"),
        "failed": outcome.count("failed"),
        "failed as expected": outcome.count("expected failure"),
        "passed although expected to fail": outcome.count("unexpected pass"),
        "skipped": outcome.count("skipped"),
    }
    told = ", ".join(f"{n} {what}" for what, n in counts.items() if n) or "no test was run"
    who = " and ".join(outcome.subject) or "testbeam's own"
    how = "interrupted, " if outcome.interrupted else ""
    return f"{outcome.role} ({who}): {how}{told}, in {outcome.seconds:.1f} s"
