"""What the audit says where nothing is wrong: it is clean, and every message is accounted for."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from testbeam.audit.core import AuditResult, Reason, compare, expected
from testbeam.model.runs import RunStop
from testbeam.model.samples import ConnectionState, Severity
from testbeam.wire.flatbuffers.registry import ENCODERS
from tests.unit.audit.by_hand import Sent, alarm, connection, events, job, log, messages, write


def audit(sent: Sequence[Sent], written: Sequence[Sent] | None = None, kafka_ms: Sequence[int] = (), from_ms: int = 0) -> AuditResult:
    with write(sent if written is None else written) as file:
        return compare(expected(job(), messages(sent, kafka_ms), from_ms), file)


def test_every_kind_of_message_in_the_window_is_found() -> None:
    sent: list[Sent] = [
        (0, log(1_100)),
        (0, alarm(1_100)),
        (0, connection(1_050)),
        (0, log(1_100, 7, "TEMP", np.int32)),
        (0, log(1_100, [1, 2, 3], "TRACE")),
        (0, events(1_100)),
        (0, events(1_100, None, "monitor")),
    ]

    result = audit(sent)

    assert (result.ok, result.expected, result.written, result.filtered) == (True, 7, 7, {})


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ([log(999), log(2_001)], Reason.OUTSIDE_WINDOW),
        ([events(999)], Reason.OUTSIDE_WINDOW),
        ([log(998), log(999)], Reason.SUPERSEDED),
        ([log(1_500, 1), log(1_500, 2)], Reason.SAME_TIME),
        ([log(0)], Reason.TIME_ZERO),
        ([events([], (), index=())], Reason.TIME_ZERO),
        ([log(1_500, [1, 2])], Reason.WRONG_SHAPE),
        ([log(1_500, 1, "TRACE")], Reason.WRONG_SHAPE),
        ([log(1_500, [1, 2], "TRACE")], Reason.WRONG_SHAPE),
        ([b"\x08\0\0\0zz99" + bytes(20)], Reason.UNKNOWN_SCHEMA),
        ([b"short"], Reason.FAILED_VERIFICATION),
        ([None], Reason.FAILED_VERIFICATION),
        ([ENCODERS["f144"](log(1_500))[:-9]], Reason.FAILED_VERIFICATION),
        ([log(1_500, source="STRANGER")], Reason.SOURCE_NOT_IN_JOB),
        ([alarm(1_500, source="TEMP")], Reason.SOURCE_NOT_IN_JOB),
        ([ENCODERS["6s4t"](RunStop(job_id="a", command_id="b"))], Reason.SOURCE_NOT_IN_JOB),
    ],
)
def test_a_message_that_is_rightly_left_out_is_named_with_its_reason(sent: list[Any], reason: Reason) -> None:
    result = audit([(0, value) for value in sent])

    assert result.ok
    assert result.filtered[reason] == 1
    assert result.expected + sum(result.filtered.values()) == len(sent) == result.read


def test_start_and_stop_belong_to_the_window() -> None:
    result = audit([(0, log(1_000)), (0, log(2_000)), (0, events(1_000)), (0, events(2_000))])

    assert (result.ok, result.written) == (True, 4)


def test_an_older_message_is_written_as_it_comes_and_counted() -> None:
    result = audit([(0, log(1_500)), (0, log(1_200))])

    assert (result.ok, result.written, result.older) == (True, 2, 1)


def test_a_message_that_came_after_its_source_had_passed_the_stop_may_be_there_or_not() -> None:
    sent = [(0, log(1_500)), (0, log(2_500)), (0, log(1_600))]
    kafka_ms = [1_500, 2_500, 2_501]

    assert audit(sent, kafka_ms=kafka_ms).written == 2
    without = audit(sent, sent[:2], kafka_ms)
    assert without.ok
    assert without.filtered[Reason.AFTER_STOP] == 1


@pytest.mark.parametrize("late", [1_999, 2_000])
def test_a_message_that_came_before_the_stop_must_be_there_whatever_time_its_source_had_before(late: int) -> None:
    sent = [(0, log(1_500)), (0, log(99_999)), (0, log(1_600))]

    assert audit(sent, sent[:2], [1_500, 1_550, late]).missing == 1


def test_a_clock_that_jumped_before_the_stop_excuses_nothing_after_it() -> None:
    sent = [(0, events(1_500)), (0, events(99_999)), (0, events(1_990))]

    assert audit(sent, sent[:2], [1_500, 1_550, 2_010]).missing == 1


def test_what_came_after_the_leeway_may_be_there_or_not_and_is_named_but_excuses_nothing_behind_it() -> None:
    sent = [(0, log(1_500)), (0, log(1_600)), (0, log(1_700))]
    kafka_ms = [1_500, 2_101, 1_700]

    def judged(written: Sequence[Sent]) -> AuditResult:
        with write(written) as file:
            return compare(expected(job(), messages(sent, kafka_ms), leeway_ms=100), file)

    assert judged(sent).written == 3
    without = judged([sent[0], sent[2]])
    assert without.ok
    assert without.filtered == {Reason.TOO_LATE: 1}
    assert judged(sent[:2]).missing == 1


def test_what_came_before_the_writer_had_to_read_is_not_there() -> None:
    sent = [(0, log(900)), (0, log(1_500))]

    assert audit(sent, from_ms=950).unexpected == 1
    without = audit(sent, sent[1:], from_ms=950)
    assert without.ok
    assert without.filtered == {Reason.BEFORE_READING: 1}
    assert not audit(sent, sent[1:], from_ms=900).ok


def test_an_old_kafka_time_after_the_writer_had_to_read_excuses_nothing() -> None:
    sent: list[Sent] = [(0, log(1_500)), (0, alarm(500)), (0, alarm(1_600))]

    assert audit(sent, kafka_ms=[1_500, 500, 1_600], from_ms=950).ok
    assert audit(sent, [sent[0], sent[2]], [1_500, 500, 1_600], 950).missing == 1


def test_a_value_before_the_start_that_came_after_others_may_replace_the_first() -> None:
    sent: list[Sent] = [(0, log(900)), (0, log(1_500)), (0, log(950))]

    for written in (sent, sent[:2]):
        result = audit(sent, written)
        assert (result.ok, result.written, result.filtered) == (True, 2, {Reason.SUPERSEDED: 1})


def test_the_order_of_two_partitions_is_free_but_not_that_within_one() -> None:
    first: list[Sent] = [(0, log(1_100 + t, t)) for t in range(3)]
    second: list[Sent] = [(1, log(1_200 + t, t)) for t in range(3)]
    sent = first + second

    assert audit(sent, [second[0], first[0], second[1], *first[1:], second[2]]).ok
    swapped = audit(sent, [first[1], first[0], first[2], *second])
    assert not swapped.ok
    assert swapped.misplaced == 1


def test_pulses_of_two_partitions_may_come_in_any_order() -> None:
    sent: list[Sent] = [(0, events(1_100)), (0, events([1_150, 1_160], (4, 5, 6), index=(0, 1))), (1, events(1_120, (7, 8)))]

    result = audit(sent, [sent[2], sent[0], sent[1]])

    assert (result.ok, result.written) == (True, 3)


@pytest.mark.parametrize("index", [(0, 5), (2, 1), (-3, 2), (1, 2)])
def test_pulses_with_a_senseless_index_are_held_against_the_file_as_sent(index: tuple[int, int]) -> None:
    sent: list[Sent] = [(0, events(1_100)), (0, events([1_200, 1_210], (4, 5, 6), index=index)), (0, events(1_300))]

    assert audit(sent).ok


def test_events_without_ids_among_others_have_the_id_minus_one() -> None:
    sent: list[Sent] = [(0, events(1_100, None, n=2)), (0, events(1_200)), (0, events(1_300, None)), (0, events(1_400, ()))]

    assert audit(sent).ok


def test_a_long_or_empty_alarm_message_is_stored_as_the_contract_says() -> None:
    with write([]) as file:
        group = file["/entry/voltage"]
        for name in ("alarm_time", "alarm_severity", "alarm_message"):
            group[name].resize((2,))
        group["alarm_time"][:] = [1_100_000_000, 1_200_000_000]
        group["alarm_severity"][:] = [1, 1]
        group["alarm_message"][0] = "x" + "é" * 99
        group["alarm_message"][1] = "NO ALARM MESSAGE"
        result = compare(expected(job(), messages([(0, alarm(1_100, "x" + "é" * 150)), (0, alarm(1_200, ""))])), file)

    assert result.ok
    assert result.written == 2


def test_numbers_are_compared_in_the_type_of_the_dataset() -> None:
    numbers = [(3, np.int8), (2.75, np.float64), (9, np.uint64)]
    sent: list[Sent] = [(0, log(1_100 + i, value, "TEMP", dtype)) for i, (value, dtype) in enumerate(numbers)]

    assert audit(sent).ok


def test_a_job_without_any_message_is_clean() -> None:
    result = audit([])

    assert (result.ok, result.read, result.expected) == (True, 0, 0)


def test_no_value_is_a_number_that_is_none() -> None:
    assert audit([(0, log(1_100, np.nan)), (0, log(1_200, -0.0)), (0, log(1_300, np.inf))]).ok


TIMES = st.integers(0, 30).map(lambda t: t * 100)
PARTITION = st.integers(0, 2)
INTEGERS = st.sampled_from([np.int8, np.int32, np.int64])
VALUES = st.one_of(
    st.builds(log, TIMES, st.floats(width=32), st.just("VOLT"), st.sampled_from([np.float32, np.float64])),
    st.builds(
        log, TIMES, st.integers(-100, 100), st.sampled_from(["VOLT", "TEMP", "STRANGER"]), st.sampled_from([np.int8, np.int32, np.int64])
    ),
    st.builds(log, TIMES, st.lists(st.integers(0, 9), min_size=2, max_size=3), st.sampled_from(["TRACE", "TEMP"])),
    st.builds(alarm, TIMES, st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=10), st.sampled_from(Severity)),
    st.builds(connection, TIMES, st.sampled_from(ConnectionState)),
    st.builds(events, TIMES, st.lists(st.integers(1, 9), max_size=5)),
    st.builds(events, TIMES, st.none(), st.sampled_from(["panel", "monitor"]), n=st.integers(0, 4)),
    st.builds(lambda t, gap, cut: events([t, t + gap], (1, 2, 3, 4), index=(0, cut)), TIMES, st.integers(0, 300), st.integers(0, 4)),
    st.binary(max_size=30),
    st.none(),
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(st.tuples(PARTITION, VALUES), max_size=40))
def test_whatever_is_sent_a_file_written_by_hand_is_clean_and_every_message_accounted_for(sent: list[Sent]) -> None:
    result = audit(sent)

    assert result.ok, result.findings
    assert result.expected + sum(result.filtered.values()) == result.read == len(sent)
    assert result.written == result.expected
