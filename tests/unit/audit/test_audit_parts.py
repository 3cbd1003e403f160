"""The parts of the audit: destinations, matching, digests, and how the result reads."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbeam.audit.columns import pulse_bounds
from testbeam.audit.destinations import destinations, not_judged
from testbeam.audit.matching import Outcome, match, pair
from testbeam.audit.result import AuditResult, Finding, Kind
from testbeam.audit.summary import report
from testbeam.audit.units import Units
from testbeam.errors import AuditError
from testbeam.nexus.compose import group, nexus_structure, stream


def units(keys: list[tuple[int, int]], partitions: list[int] | None = None) -> Units:
    n = len(keys)
    return Units(
        time_ns=np.array([t for t, _ in keys], np.int64),
        digest=np.array([d for _, d in keys], np.int64),
        number=np.arange(n, dtype=np.int64),
        partition=np.array(partitions or [0] * n, np.int64),
        optional=np.zeros(n, bool),
    )


def matched(wanted: list[tuple[int, int]], found: list[tuple[int, int]]) -> tuple[list[Outcome], int, int, int]:
    rows = units(found)
    result = match(units(wanted), rows.time_ns, rows.digest)
    return [Outcome(f) for f in result.outcome], len(result.doubled), len(result.unexpected), len(result.misplaced)


KEYS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=12)
W, A, M = Outcome.WRITTEN, Outcome.ALTERED, Outcome.MISSING


@pytest.mark.parametrize(
    ("wanted", "found", "says"),
    [
        ([(1, 1), (2, 2)], [(1, 1), (2, 2)], ([W, W], 0, 0, 0)),
        ([(1, 1), (2, 2)], [(2, 2)], ([M, W], 0, 0, 0)),
        ([(1, 1), (2, 2)], [(1, 1), (2, 2), (2, 2)], ([W, W], 1, 0, 0)),
        ([(1, 1), (1, 1)], [(1, 1), (1, 1)], ([W, W], 0, 0, 0)),
        ([(1, 1), (2, 2)], [(1, 1), (2, 9)], ([W, A], 0, 0, 0)),
        ([(1, 1), (2, 2)], [(1, 1), (9, 2)], ([W, A], 0, 0, 0)),
        ([(1, 1), (2, 2)], [(1, 1), (8, 9)], ([W, M], 0, 1, 0)),
        ([(1, 1), (2, 2)], [(2, 2), (1, 1)], ([W, W], 0, 0, 1)),
        ([], [(1, 1)], ([], 0, 1, 0)),
        ([(1, 1)], [], ([M], 0, 0, 0)),
    ],
)
def test_rows_are_matched_with_what_is_wanted(wanted: list[tuple[int, int]], found: list[tuple[int, int]], says: object) -> None:
    assert matched(wanted, found) == says


@given(KEYS, KEYS)
def test_every_unit_has_a_outcome_and_every_row_an_owner_or_is_nobodys(wanted: list[tuple[int, int]], found: list[tuple[int, int]]) -> None:
    outcomes, doubled, unexpected, misplaced = matched(wanted, found)

    owned = outcomes.count(W) + outcomes.count(A)
    assert len(outcomes) == len(wanted)
    assert owned + doubled + unexpected == len(found)
    clean = set(outcomes) <= {W} and not doubled and not unexpected and not misplaced
    assert clean == (wanted == found)


@given(st.lists(st.integers(-2, 2)), st.lists(st.integers(-2, 2)))
def test_as_many_pairs_are_found_as_both_sides_have_of_a_value(wanted: list[int], found: list[int]) -> None:
    left, right = pair(np.array(wanted, np.int64), np.array(found, np.int64))

    assert [wanted[i] for i in left] == [found[i] for i in right]
    assert len(left) == sum(min(wanted.count(v), found.count(v)) for v in set(wanted))


def test_a_log_brings_alarms_and_connection_changes_along_unless_told_otherwise() -> None:
    text = nexus_structure(
        group("a", "NXlog", stream("f144", topic="t", source="A")),
        group("b", "NXlog", stream("f144", topic="t", source="B", enable_alarm_info=False)),
        group("c", "NXlog", stream("f144", topic="t", source="C"), stream("al00", topic="u", source="D")),
        group("d", "NXevent_data", stream("ev44", topic="t", source="E")),
    )

    assert [(d.path, d.module, d.topic, d.source) for d in destinations(text)] == [
        ("/a", "f144", "t", "A"),
        ("/a", "ep01", "t", "A"),
        ("/a", "al00", "t", "A"),
        ("/b", "f144", "t", "B"),
        ("/b", "ep01", "t", "B"),
        ("/c", "f144", "t", "C"),
        ("/c", "ep01", "t", "C"),
        ("/c", "al00", "u", "D"),
        ("/d", "ev44", "t", "E"),
    ]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("no JSON", "can't be audited"),
        (nexus_structure(group("a", "NXlog", stream("f144", topic="t", source="A", dtype="string"))), "can't be string"),
    ],
)
def test_a_structure_that_can_not_be_audited_is_refused_with_the_reason(text: str, match: str) -> None:
    with pytest.raises(AuditError, match=match):
        destinations(text)


@pytest.mark.parametrize(
    ("index", "bounds"), [([0, 2], [0, 2, 5]), ([1, 2], [0, 2, 5]), ([2, 1], [0, 5, 5]), ([0, 6], [0, 5, 5]), ([], [0, 5])]
)
def test_events_belong_to_the_pulse_whose_index_they_follow(index: list[int], bounds: list[int]) -> None:
    if index:
        assert pulse_bounds(np.array(index, np.int32), 5) == bounds


def test_the_summary_names_what_is_wrong_first_and_then_where() -> None:
    finding = Finding(kind=Kind.MISSING, path="/a/value", topic="t", partition=0, offset=7, source="VOLT", time_ns=5)
    result = AuditResult(
        file="a.nxs",
        job_id="j",
        read=1_234,
        expected=1_200,
        written=1_198,
        filtered={"outside window": 34},
        missing=2,
        altered=0,
        doubled=0,
        unexpected=0,
        misplaced=0,
        inconsistent=0,
        start_ms=1_700_000_000_000,
        stop_ms=2**63 // 1_000,
        findings=(finding,),
    )

    assert report(result).splitlines() == [
        "audit NOT CLEAN: 2 missing",
        "  job j, 2023-11-14T22:13:20.000Z to 9999-12-31T23:59:59.999Z",
        "  1,234 messages read, 1,200 belong into the file, 1,198 are in it",
        "  rightly left out: 34 outside window",
        "  missing: /a/value: VOLT t[0]@7 at 5 ns",
        "  … and 1 more",
    ]
    assert result.as_json()["ok"] is False
    assert {"expected", "written", "filtered", "missing", "altered", "doubled"} <= result.as_json().keys()


def test_what_the_audit_does_not_look_at_is_named_as_not_judged() -> None:
    histograms = group("a", "NXlog", stream("hs00", topic="t", source="A", shape=[{"size": 2}]))
    text = nexus_structure(histograms, group("b", "NXlog", stream("f144", topic="t", source="B")))

    assert not_judged(text) == ("/a: edges and cues of hs00, A on t",)
    assert {destination.module for destination in destinations(text)} == {"hs00", "f144", "al00", "ep01"}
