"""Page of a failure: the error first, then what happened on one clock, then each service's own log."""

from collections.abc import Iterator

from testbeam.kit.journal import Event
from testbeam.kit.journal_views import state_intervals
from testbeam.kit.logs import cut
from testbeam.model.time import NS_PER_S
from testbeam.report.charts.spans import Span, spans
from testbeam.report.failure.gather import Facts, ServiceFacts
from testbeam.report.page import Page, Section, folded, log, render, states_legend, table

_QUIET = {"seen", "mark"}
_DEAD = {"CRASHED", "FAILED"}
_SAID = {"crashed", "failed"}


def page(facts: Facts) -> str:
    """Return the page as HTML."""
    dead = [service for service in facts.services if service.state.upper() in _DEAD]
    verdict = _in_one_line(facts.error)
    numbers = (
        ("test took", f"{facts.seconds:.2f} s"),
        ("services", str(len(facts.services))),
        ("ended unasked", ", ".join(s.name for s in dead) or "none"),
    )
    sections = (
        Section(title="Error", body=log(facts.error), wide=True),
        Section(title="Timeline", body=timeline(facts), note="All services on one clock; the dashed lines frame the test.", wide=True),
        Section(title="What happened during the test", body=_happened(facts), wide=True),
        Section(title="Services", body=_services(facts), wide=True),
        *(_section(service) for service in sorted(facts.services, key=lambda s: s not in dead)),
    )
    return render(Page(title=facts.test, ok=False, verdict=verdict, facts=numbers, sections=sections))


def _in_one_line(error: str) -> str:
    """Return the line in which pytest says what went wrong (it begins with E), or the last one."""
    lines = error.strip().splitlines() or ["failed"]
    said = [line.removeprefix("E").strip() for line in lines if line.startswith("E  ")]
    return cut(said[0] if said else lines[-1])


def timeline(facts: Facts) -> str:
    """Return the chart of every service's states, with the test's begin and end, and what its colours say."""
    if not facts.events:
        return "<p>No events.</p>"
    zero_ns = facts.events[0].at_ns
    bars = list(_bars(facts, zero_ns))
    marks = [((event.at_ns - zero_ns) / NS_PER_S, what) for event, what in ((facts.begin, "test begins"), (facts.end, "test failed"))]
    return spans(bars, marks=marks) + states_legend([bar.state for bar in bars])


def _bars(facts: Facts, zero_ns: int) -> Iterator[Span]:
    end_s, names = (facts.end.at_ns - zero_ns) / NS_PER_S, {service.name for service in facts.services}
    for one in state_intervals(facts.events):
        if one.service in names:
            until_s = max(end_s, one.start_s) if one.end_s is None else one.end_s
            note = one.state if one.state in _SAID else ""
            yield Span(row=one.service, state=one.state.upper(), start_s=one.start_s, end_s=until_s, note=note)


def _happened(facts: Facts) -> str:
    rows = [
        (f"{(e.at_ns - facts.begin.at_ns) / NS_PER_S:+.3f} s", e.service or "run", e.kind, _words(e))
        for e in facts.during()
        if e.kind not in _QUIET
    ]
    return table(["since begin", "who", "what", "in which words"], rows) if rows else "<p>No service started, stopped or changed.</p>"


def _words(event: Event) -> str:
    """Return what an event says; of a text of several lines, which stands in whole above, the first."""
    said = {name: str(value).partition("\n")[0] for name, value in event.data.items() if name != "logs"}
    return cut(", ".join(f"{name} {value}" for name, value in said.items()))


def _services(facts: Facts) -> str:
    rows = [
        (s.name, s.state, str(s.pid or "-"), "-" if s.exit_code is None else str(s.exit_code), "; ".join(s.endpoints), s.command[:200])
        for s in facts.services
    ]
    return table(["service", "state", "pid", "exit code", "endpoints", "command"], rows)


def _section(service: ServiceFacts) -> Section:
    shown = log(service.log) if service.log.strip() else "<p class='note'>It logged nothing during the test.</p>"
    parts = [folded("its stdout during the test", log(service.stdout))] if service.stdout.strip() else []
    parts += [folded(f"{evidence.title}", log(evidence.text)) for evidence in service.evidence]
    parts += [folded("stacks of its threads", log(service.stacks))] if service.stacks else []
    parts += [folded("settings", log(service.settings))] if service.settings else []
    return Section(
        title=f"{service.name}: {service.state}",
        body=shown + "".join(parts),
        note=f"Log of the test's time, from {service.log_path}",
        wide=True,
    )
