"""The report of a smoke run: what happened when, what the detector saw, what the PVs did, and whether all of it is in the file."""

from collections.abc import Sequence

from testbeam.report.charts.image import image
from testbeam.report.charts.lines import Curve, lines
from testbeam.report.charts.spans import Span, spans
from testbeam.report.page import Page, Section, legend, render, states_legend, table
from testbeam.suites.first_light import pictures
from testbeam.suites.first_light.outcome import Outcome
from testbeam.suites.first_light.summary import verdict


def page(outcome: Outcome) -> str:
    """Return the whole page as HTML; reads the finished file."""
    facts = (
        ("stack ready after", f"{outcome.ready_s:.2f} s"),
        ("run took", f"{outcome.total_s:.1f} s"),
        ("messages written", f"{outcome.audit.written:,} of {outcome.audit.expected:,}"),
        ("events", f"{outcome.events:,}"),
        ("file", f"{outcome.file.name}, {outcome.file.stat().st_size / 1e6:.1f} MB"),
        ("seed", str(outcome.plan.seed)),
    )
    sections = (_timeline(outcome), _image(outcome), *_spectra(outcome), *_traces(outcome), _audit(outcome), _streams(outcome))
    links = [(outcome.file.name, outcome.file.name), *((f"log of {one.name}", f"log/{one.name}.log") for one in outcome.services)]
    links += [("journal", "events.jsonl")]
    return render(Page(title="testbeam smoke", ok=outcome.ok, verdict=verdict(outcome).plain, facts=facts, sections=sections, links=links))


def _timeline(outcome: Outcome) -> Section:
    bars = [Span(row=s.name, state="STARTING", start_s=s.spawned_s, end_s=s.ready_s, note=f"{s.ready_s:.2f} s") for s in outcome.services]
    key = states_legend([bar.state for bar in bars])
    steps = table(["at", "what"], [(f"{at_s:.2f} s", what) for at_s, what in outcome.steps])
    return Section(
        title="Start-up", body=spans(bars) + key + steps, note="From the first spawn until each service's own protocol answered."
    )


def _image(outcome: Outcome) -> Section:
    counts = pictures.panel_image(outcome.file)
    note = f"{counts.sum():,} events on {counts.shape[0]} × {counts.shape[1]} pixels, read back from the file."
    return Section(title="Detector panel", body=image(counts, alt="counts per pixel", unit="events"), note=note)


def _spectra(outcome: Outcome) -> list[Section]:
    """Return a section for each of panel and monitor: on one axis the weaker one would lie flat."""
    return [
        Section(
            title=f"Time of flight: {curve.name}",
            body=lines([curve], x_label="time of flight / ms", y_label="events per bin", from_zero=True),
        )
        for curve in pictures.spectra(outcome.file)
    ]


def _traces(outcome: Outcome) -> list[Section]:
    traces = list(pictures.traces(outcome.file))
    units = list(dict.fromkeys(unit for _, unit, _ in traces))
    return [_trace_section(unit, [curve for _, own, curve in traces if own == unit]) for unit in units]


def _trace_section(unit: str, curves: Sequence[Curve]) -> Section:
    return Section(title=f"PVs in {unit}" if unit else "PVs without unit", body=_chart(curves, "time / s", unit or "value"))


def _chart(curves: Sequence[Curve], x_label: str, y_label: str) -> str:
    return lines(curves, x_label=x_label, y_label=y_label) + legend([curve.name for curve in curves])


def _audit(outcome: Outcome) -> Section:
    audit = outcome.audit
    rows = [
        ("read from Kafka", f"{audit.read:,}"),
        ("belong into the file", f"{audit.expected:,}"),
        ("in it, value by value", f"{audit.written:,}"),
    ]
    rows += [(f"not in it: {reason}", f"{n:,}") for reason, n in audit.filtered.items()]
    rows += [(kind, f"{n:,}") for kind, n in audit.faults.items()]
    findings = table(["findings"], [(str(finding),) for finding in audit.findings]) if audit.findings else ""
    note = "What the file must hold is computed from Kafka alone, without the file-writer's code."
    return Section(title="Audit", body=table(["messages", "number"], rows) + findings, note=note)


def _streams(outcome: Outcome) -> Section:
    rows = [(s.path, s.module, s.topic, s.source, f"{s.expected:,}", f"{s.found:,}") for s in outcome.audit.streams]
    head = ["group", "module", "topic", "source", "expected", "found"]
    return Section(title="Streams", body=table(head, rows), note="Rows of each stream's group; of ev44, pulses.", wide=True)
