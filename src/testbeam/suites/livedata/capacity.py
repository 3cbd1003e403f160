"""Capacity of live data: the highest rate of events that a service counts without falling behind, on this machine.

Fake detectors send pulses of one size at a rate that is doubled until results come late, then halved towards the bound. A result is late by
the time from the end of its window to its arrival; a rate is kept up with if the later half of the results is late by no more than `late_s`
in the median. What the source can't send in time is told apart; it sends the same pulses again and again, lest it be the bound.

What a rate costs is the CPU time of the service with all its processes, which does not depend on what else the machine has to do.
"""

import json
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from testbeam.errors import SettingsError
from testbeam.kafkatools.load import LoadMeter
from testbeam.kit.run import Run
from testbeam.kit.stack import Stack
from testbeam.model.time import NS_PER_S
from testbeam.report.charts.lines import Curve, lines
from testbeam.report.page import Page, Section, legend, render
from testbeam.stacks.roles.broker.declaration import BrokerHandle, broker
from testbeam.stacks.roles.fakes.declaration import fake_detectors
from testbeam.stacks.roles.livedata.declaration import livedata
from testbeam.suites.livedata.live import Live, Result
from testbeam.suites.subject import Subject

_HEAD_S = 1.5
_MOST_STEPS = 12
_LEAST_COUNTED = 0.9
_DISTINCT_PULSES = 28


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is asked: events in a pulse, the rate to begin with, how long each rate is tried."""

    events_per_pulse: int = 10_000
    rate: float = 14.0
    seconds: float = 5.0
    late_s: float = 0.5
    refinements: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One rate: how late results were (s, median of the later half), and how many pulses were sent of those that were due."""

    rate: float
    events_per_pulse: int
    late_s: float
    sent: int
    due: int
    is_kept_up: bool
    cpu_s: float = 0.0  # of the service, while `sent` pulses came
    counted: float = 1.0  # of the events that were due in the windows of the later half: who sheds load is not late

    @property
    def is_sent_in_time(self) -> bool:
        """Return whether the source kept to its rate."""
        return self.sent >= 0.95 * self.due

    @property
    def events_per_s(self) -> float:
        """Return the events a second."""
        return self.rate * self.events_per_pulse

    @property
    def events_per_cpu_s(self) -> float:
        """Return the events that came in a second of the service's CPU time, 0 where that is not known."""
        return self.sent * self.events_per_pulse / self.cpu_s if self.cpu_s else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """Another subject, as its own run has written it."""

    subject: str
    events_per_s: float
    events_per_cpu_s: float
    points: tuple[tuple[float, float], ...]  # events a second, s late


def earlier(file: Path) -> Earlier:
    """Return the outcome that `--json` of another run has written.

    Raises:
        SettingsError: there is no such file, or it is none of those.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        points = tuple(sorted((float(one["events_per_s"]), float(one["late_s"])) for one in found["trials"]))
        cost = float(found["events_per_cpu_s"])
        return Earlier(subject=str(found["subject"]), events_per_s=float(found["events_per_s"]), events_per_cpu_s=cost, points=points)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError("--beside", str(file), f"what --json of `testbeam capacity livedata` has written ({error})") from None


def measure(plan: Plan, subject: Subject, say: Callable[[str], None]) -> list[Trial]:
    """Try rates until the bound is known; return every trial."""
    stack = subject.stack(Stack(broker(), livedata(instrument="dummy", run_topics=("dummy_filewriter",), max_lag_s=0)))
    with stack.run() as run:
        return search(plan, lambda rate: _try(run, plan, rate, is_ours=subject.is_ours("livedata")), say)


def search(plan: Plan, attempt: Callable[[float], Trial], say: Callable[[str], None]) -> list[Trial]:
    """Double the rate until it isn't kept up with (or halve it until it is), then halve the gap `refinements` times."""
    trials: list[Trial] = []
    low, high, rate, left = 0.0, 0.0, plan.rate, plan.refinements
    while len(trials) < _MOST_STEPS:
        trial = attempt(rate)
        trials.append(trial)
        say(_told(trial))
        is_bracketed = bool(low and high)
        if trial.is_kept_up and trial.is_sent_in_time:
            low = rate
        else:
            high = rate
        left -= is_bracketed
        if (low and high and not left) or (not low and rate < 1):
            break
        rate = (low + high) / 2 if low and high else rate * 2 if low else rate / 2
    return trials


def best(trials: list[Trial]) -> Trial | None:
    """Return the highest rate that was kept up with."""
    kept = [one for one in trials if one.is_kept_up and one.is_sent_in_time]
    return max(kept, key=lambda one: one.rate, default=None)


def page(trials: list[Trial], subject: str, beside: Earlier | None = None) -> str:
    """Return a page with the plot of lateness over rate, beside that of another subject."""
    ordered = sorted(trials, key=lambda one: one.rate)
    curves = [_curve(subject, [(one.events_per_s, one.late_s) for one in ordered])]
    if beside is not None:
        curves.append(_curve(beside.subject, beside.points))
    chart = lines(curves, x_label="events per second / 10⁶", y_label="results late by / s", from_zero=True)
    chart += legend([curve.name for curve in curves]) if beside is not None else ""
    found = best(trials)
    verdict = f"{found.events_per_s:,.0f} events per second without falling behind" if found else "no rate that was tried was kept up with"
    body = chart + "".join(f"<p>{_told(one)}</p>" for one in ordered)
    facts = [("subject", subject), ("events per pulse", f"{ordered[0].events_per_pulse:,}")]
    facts += [("events per second of CPU", f"{found.events_per_cpu_s:,.0f}")] if found else []
    if beside is not None:
        facts.append(
            (f"beside: {beside.subject}", f"{beside.events_per_s:,.0f} events/s, {beside.events_per_cpu_s:,.0f} per second of CPU")
        )
    return render(
        Page(
            title="testbeam capacity livedata",
            ok=found is not None,
            verdict=verdict,
            facts=facts,
            sections=[Section(title="Lateness", body=body)],
        )
    )


def _curve(name: str, points: Iterable[tuple[float, float]]) -> Curve:
    places = list(points)
    return Curve(name=name, x=[rate / 1e6 for rate, _ in places], y=[late for _, late in places])


def _try(run: Run, plan: Plan, rate: float, *, is_ours: bool) -> Trial:
    handle = run.service("broker", BrokerHandle)
    pulses = max(round(rate * (plan.seconds + _HEAD_S)), 3)
    source = fake_detectors(
        name=f"source-{uuid4().hex[:6]}",
        instrument="dummy",
        detector_topic="dummy_detector",
        events_per_pulse=plan.events_per_pulse,
        rate=rate,
        pulses=pulses,
        distinct_pulses=_DISTINCT_PULSES,
    )
    live = Live(handle, "dummy", is_ours=is_ours)
    try:
        number = live.start("panel_0_xy", "panel_0")
        detector = handle.topic("dummy_detector")
        before = detector.count()
        seen: list[tuple[float, float, float]] = []  # of each result: late by, events, length of its window
        pid = run["livedata"].pid
        with run.add(source):
            meter = LoadMeter({"livedata": () if pid is None else (pid,)})
            begin_s = time.monotonic()
            while time.monotonic() < begin_s + plan.seconds + _HEAD_S:
                known = len(live.of(number, "counts_total"))
                live.update()
                seen += [_seen(one) for one in live.of(number, "counts_total")[known:]]
            sent = detector.count() - before
            (load,) = meter.loads(time.monotonic() - begin_s)
        return _trial(plan, rate, sent, pulses, seen, load.cpu_s)
    finally:
        live.close()


def _seen(result: Result) -> tuple[float, float, float]:
    start_ns, end_ns = result.span_ns
    return time.time() - end_ns / NS_PER_S, float(result.values), (end_ns - start_ns) / NS_PER_S


def _trial(plan: Plan, rate: float, sent: int, due: int, seen: list[tuple[float, float, float]], cpu_s: float) -> Trial:
    later = seen[len(seen) // 2 :]
    late_s = statistics.median(late for late, _, _ in later) if later else float(plan.seconds)
    expected = sum(length for _, _, length in later) * rate * plan.events_per_pulse
    counted = sum(events for _, events, _ in later) / expected if expected else 0.0
    return Trial(
        rate=rate,
        events_per_pulse=plan.events_per_pulse,
        late_s=late_s,
        sent=sent,
        due=due,
        is_kept_up=bool(later) and late_s <= plan.late_s and counted >= _LEAST_COUNTED,
        cpu_s=cpu_s,
        counted=counted,
    )


def _told(trial: Trial) -> str:
    kept = "kept up" if trial.is_kept_up else "fell behind"
    source = "" if trial.is_sent_in_time else f"; the source sent {trial.sent} of {trial.due} pulses"
    asked = f"{trial.rate:8.1f} pulses/s, {trial.events_per_s / 1e6:8.2f} M events/s"
    cost = f"{trial.cpu_s:.2f} s of CPU"
    return f"{asked}: {kept}, results late by {trial.late_s:.2f} s, {trial.counted:.0%} counted, {cost}{source}"


def as_json(trials: list[Trial], subject: str) -> dict[str, Any]:
    """Return the outcome for programs."""
    found = best(trials)
    return {
        "ok": found is not None,
        "subject": subject,
        "events_per_cpu_s": found.events_per_cpu_s if found else 0.0,
        "events_per_s": found.events_per_s if found else 0.0,
        "rate": found.rate if found else 0.0,
        "trials": [
            {
                "rate": one.rate,
                "events_per_s": one.events_per_s,
                "late_s": round(one.late_s, 3),
                "kept_up": one.is_kept_up,
                "counted": one.counted,
                "cpu_s": round(one.cpu_s, 3),
            }
            for one in trials
        ],
    }
