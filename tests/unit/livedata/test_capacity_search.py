"""The search for the highest rate that is kept up with."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from testbeam.errors import SettingsError
from testbeam.suites.livedata.capacity import Plan, Trial, as_json, best, earlier, page, search


def _machine(bound: float, source_bound: float = 1e9) -> Callable[[float], Trial]:
    def attempt(rate: float) -> Trial:
        late_s = 0.1 if rate <= bound else 2.0
        sent = 100 if rate <= source_bound else 50
        return Trial(rate=rate, events_per_pulse=10, late_s=late_s, sent=sent, due=100, is_kept_up=late_s < 0.5)

    return attempt


@pytest.mark.parametrize(("bound", "found"), [(100.0, 98.0), (14.0, 14.0), (5.0, 4.375), (0.0, None), (1e9, 14.0 * 2**11)])
def test_the_bound_is_found_from_below_and_above(bound: float, found: float | None) -> None:
    trials = search(Plan(rate=14.0), _machine(bound), lambda _: None)
    kept = best(trials)
    assert (None if kept is None else kept.rate) == found


def test_a_rate_that_the_source_cannot_send_is_not_taken_for_kept_up_with() -> None:
    told: list[str] = []
    trials = search(Plan(rate=14.0), _machine(1e9, source_bound=30), told.append)
    kept = best(trials)
    assert kept is not None
    assert kept.rate == 28
    assert "the source sent 50 of 100 pulses" in told[2]


def test_page_and_file_tell_the_highest_rate() -> None:
    trials = search(Plan(rate=14.0), _machine(100), lambda _: None)
    outcome = as_json(trials, "ours")
    assert outcome["ok"]
    assert outcome["events_per_s"] == 980
    assert "980 events per second without falling behind" in page(trials, "ours")
    none = search(Plan(rate=14.0), _machine(0), lambda _: None)
    assert not as_json(none, "ours")["ok"]
    assert "no rate that was tried was kept up with" in page(none, "ours")


def test_another_subject_is_shown_in_the_same_plot(tmp_path: Path) -> None:
    theirs = [replace(one, cpu_s=0.5) for one in search(Plan(rate=14.0), _machine(50), lambda _: None)]
    file = tmp_path / "theirs.json"
    file.write_text(json.dumps(as_json(theirs, "theirs")), encoding="utf-8")
    beside = earlier(file)
    shown = page(search(Plan(rate=14.0), _machine(100), lambda _: None), "ours", beside)

    assert (beside.subject, beside.events_per_s) == ("theirs", 490)
    assert beside.events_per_cpu_s == 100 * 10 / 0.5
    assert shown.count('class="curve') == 2
    assert "theirs" in shown


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"trials": 3}'])
def test_what_is_no_outcome_is_refused_with_its_option(tmp_path: Path, text: str) -> None:
    file = tmp_path / "other.json"
    file.write_text(text, encoding="utf-8")
    for path in (file, tmp_path / "missing.json"):
        with pytest.raises(SettingsError, match="--beside"):
            earlier(path)
