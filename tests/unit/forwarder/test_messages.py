from typing import Any

import numpy as np
import pytest

from testbeam.model.forwarding import ConfigChange
from testbeam.model.samples import ConnectionState, Severity
from testbeam.model.updates import Column, Form, UpdateBatch, ValueColumns
from testbeam.services.forwarder import core
from testbeam.services.forwarder.core import TimestampFilter
from testbeam.wire.flatbuffers.schemas.log_value_f144 import F144Template
from tests.unit.forwarder.forwarding import NOW, Forwarding, S, alarms, connections, spec, values

MIN = 60 * S
DAY = 24 * 60 * MIN
CONNECTED, DISCONNECTED = ConnectionState.CONNECTED, ConnectionState.DISCONNECTED


def test_an_update_becomes_an_f144_with_the_pv_as_key_and_the_epics_time() -> None:
    forwarding = Forwarding()
    (number,) = forwarding.add(spec("TB:VOLT", topic="motion"))
    forwarding.core.take(values(number, (42.5, NOW + 1_999_999)), NOW)

    ((topic, ((key, payload, timestamp_ms),)),) = forwarding.raw()

    assert (topic, key, timestamp_ms) == ("motion", b"TB:VOLT", NOW // 1_000_000 + 1)
    value = F144Template("TB:VOLT", "f8").fill(42.5, NOW + 1_999_999)
    assert payload == value


@pytest.mark.parametrize(
    ("form", "dtype", "value"),
    [
        (Form.SCALAR, "f8", 1.5),
        (Form.SCALAR, "f4", 0.5),
        (Form.SCALAR, "i1", -3),
        (Form.SCALAR, "u1", 200),
        (Form.SCALAR, "i8", 9_007_199_254_740_993),
        (Form.SCALAR, "u8", 2**64 - 1),
        (Form.ENUM, "i4", 2),
        (Form.ENUM, "u2", 2),
        (Form.ARRAY, "f8", np.array([1.5, 2.5])),
        (Form.ARRAY, "i2", np.array([-1], "i2")),
        (Form.ARRAY, "u1", np.array([], "u1")),
    ],
)
def test_numbers_enums_and_arrays_keep_their_type(form: Form, dtype: str, value: Any) -> None:
    forwarding = Forwarding()
    (number,) = forwarding.add(spec("A"))

    (sent,) = forwarding.take(values(number, (value, NOW), dtype=dtype, form=form))

    assert sent.value.dtype == np.dtype(dtype)
    assert sent.value.ndim == (1 if form is Form.ARRAY else 0)
    assert np.array_equal(sent.value, value)


@pytest.mark.parametrize(
    ("form", "dtype", "value", "kind"),
    [
        (Form.SCALAR, "U", "on", "text"),
        (Form.ARRAY, "U", ["a", "b"], "array of text"),
        (Form.OTHER, "O", object(), "structure of something else"),
        (Form.IMAGE, "u2", np.zeros(4, "u2"), "image of u2"),
    ],
)
def test_what_f144_has_no_place_for_is_counted_with_the_reason(form: Form, dtype: str, value: Any, kind: str) -> None:
    forwarding = Forwarding()
    (number,) = forwarding.add(spec("A"))

    assert forwarding.take(values(number, (value, NOW), (value, NOW + 1), dtype=dtype, form=form)) == []
    assert forwarding.drops.counts == {f"f144 can't carry {kind}": 2}


def test_an_array_that_changes_its_length_stays_an_array() -> None:
    forwarding = Forwarding()
    (number,) = forwarding.add(spec("A"))
    rows = [(np.arange(n, dtype="i4"), NOW) for n in (3, 1, 0, 3)]

    sent = forwarding.take(values(number, *rows, dtype="i4", form=Form.ARRAY))

    assert [message.value.tolist() for message in sent] == [[0, 1, 2], [0], [], [0, 1, 2]]


def test_a_pv_that_comes_back_with_another_type_is_sent_in_that() -> None:
    forwarding = Forwarding()
    (number,) = forwarding.add(spec("A"))

    sent = forwarding.take(values(number, (1.5, NOW))) + forwarding.take(values(number, (2, NOW + 1), dtype="i4"))

    assert [message.value.dtype.name for message in sent] == ["float64", "int32"]


@pytest.mark.parametrize("column", [list, np.array])
def test_columns_may_be_lists_or_arrays(column: Any) -> None:
    forwarding = Forwarding()
    a, b = forwarding.add(spec("A"), spec("B"))
    streams: Column = column([a, b, a])
    batch = UpdateBatch(
        values=(ValueColumns(form=Form.SCALAR, dtype="f8", stream=streams, value=column([1.0, 2.0, 3.0]), timestamp_ns=column([NOW] * 3)),)
    )

    assert [(m.source_name, float(m.value)) for m in forwarding.take(batch)] == [("A", 1.0), ("B", 2.0), ("A", 3.0)]


def test_an_older_value_is_rejected_an_equal_time_is_not() -> None:
    forwarding = Forwarding()
    (number,) = forwarding.add(spec("A"))

    sent = forwarding.take(values(number, (1.0, NOW), (2.0, NOW), (3.0, NOW - 1), (4.0, NOW + 1)))

    assert [float(message.value) for message in sent] == [1.0, 2.0, 4.0]
    assert forwarding.drops.counts == {core.OLDER_THAN_SENT: 1}


def test_a_value_more_than_ten_minutes_ahead_is_rejected_and_not_remembered() -> None:
    forwarding = Forwarding()
    (number,) = forwarding.add(spec("A"))

    sent = forwarding.take(values(number, (1.0, NOW + 10 * MIN), (2.0, NOW + 10 * MIN + 1), (3.0, NOW + 10 * MIN)))

    assert [float(message.value) for message in sent] == [1.0, 3.0]
    assert forwarding.drops.counts == {core.TOO_FAR_AHEAD: 1}


def test_a_first_value_of_any_age_is_sent_unless_the_option_says_otherwise() -> None:
    old = (1.0, NOW - 366 * DAY)
    lenient, strict = Forwarding(), Forwarding(times=TimestampFilter(first_ns=365 * DAY))
    lenient.add(spec("A"))
    strict.add(spec("A"))

    assert len(lenient.take(values(1, old))) == 1
    assert strict.take(values(1, old)) == []
    assert strict.drops.counts == {core.FIRST_TOO_OLD: 1}


def test_an_alarm_is_sent_first_and_then_only_on_a_change_of_severity_or_message() -> None:
    forwarding = Forwarding()
    (number,) = forwarding.add(spec("A"))
    seen = [
        (Severity.INVALID, "UDF"),
        (Severity.OK, ""),
        (Severity.OK, ""),
        (Severity.MINOR, "HIGH"),
        (Severity.MINOR, "LOW"),
        (Severity.MINOR, "LOW"),
        (Severity.MAJOR, "LOW"),
    ]

    sent = forwarding.take(alarms(number, *((*alarm, NOW + i) for i, alarm in enumerate(seen))))

    assert [(alarm.severity, alarm.message, alarm.timestamp_ns - NOW) for alarm in sent] == [(*seen[i], i) for i in (0, 1, 3, 4, 6)]


def test_a_refused_value_does_not_hold_up_the_alarm_of_its_update() -> None:
    forwarding = Forwarding()
    (number,) = forwarding.add(spec("A"))
    forwarding.core.take(values(number, ("text", NOW), dtype="U"), NOW)

    (alarm,) = forwarding.take(alarms(number, (Severity.MINOR, "STATE", NOW)))

    assert (alarm.source_name, alarm.message) == ("A", "STATE")


def test_one_stream_whose_values_fail_does_not_touch_the_others() -> None:
    forwarding = Forwarding()
    a, b = forwarding.add(spec("A"), spec("B"))
    batch = UpdateBatch(values=(*values(a, (2**40, NOW), dtype="i4").values, *values(b, (1, NOW), dtype="i4").values))

    assert [message.source_name for message in forwarding.take(batch)] == ["B"]
    assert forwarding.drops.counts == {"f144 can't carry i4": 1}


def test_a_connection_is_told_on_change_with_the_service_that_saw_it() -> None:
    forwarding = Forwarding()
    (number,) = forwarding.add(spec("A"))

    sent = forwarding.take(connections(number, (CONNECTED, NOW - S), (CONNECTED, NOW), (DISCONNECTED, NOW), (DISCONNECTED, NOW + S)))

    assert [(m.state, m.timestamp_ns, m.service_id) for m in sent] == [(CONNECTED, NOW - S, "fw"), (DISCONNECTED, NOW, "fw")]


@pytest.mark.parametrize("epics_ns", [NOW - DAY, 631_152_000 * S, 0], ids=["of before the loss", "never processed", "none"])
def test_a_record_that_comes_back_with_an_old_time_is_connected_now(epics_ns: int) -> None:
    forwarding = Forwarding()
    (number,) = forwarding.add(spec("A"))
    forwarding.take(connections(number, (CONNECTED, NOW - DAY), (DISCONNECTED, NOW)))

    (connected,) = forwarding.take(connections(number, (CONNECTED, epics_ns)), NOW + 3 * S)

    assert connected.timestamp_ns == NOW + 3 * S


def test_a_record_that_comes_back_with_a_fresh_time_bears_it() -> None:
    forwarding = Forwarding()
    (number,) = forwarding.add(spec("A"))
    forwarding.take(connections(number, (CONNECTED, NOW - DAY), (DISCONNECTED, NOW)))

    (connected,) = forwarding.take(connections(number, (CONNECTED, NOW + 2 * S)), NOW + 3 * S)

    assert connected.timestamp_ns == NOW + 2 * S


def test_connection_times_never_go_back_even_when_clocks_do() -> None:
    forwarding = Forwarding()
    (number,) = forwarding.add(spec("A"))

    sent = forwarding.take(connections(number, (CONNECTED, NOW + 5 * S), (DISCONNECTED, NOW)))

    assert [message.timestamp_ns for message in sent] == [NOW + 5 * S, NOW + 5 * S]


def test_rows_of_a_removed_stream_are_ignored() -> None:
    forwarding = Forwarding()
    (number,) = forwarding.add(spec("A"))
    forwarding.do(ConfigChange.REMOVEALL)

    for batch in (values(number, (1.0, NOW)), alarms(number, (Severity.OK, "", NOW)), connections(number, (CONNECTED, NOW))):
        assert forwarding.take(batch) == []
    assert forwarding.drops.total == 0


def test_drops_and_problems_of_a_client_are_told() -> None:
    forwarding = Forwarding()
    (number,) = forwarding.add(spec("A"))

    forwarding.take(UpdateBatch(dropped=7, problems=[(number, "no read access")]))

    assert forwarding.drops.counts == {core.TOO_FAST: 7}
    assert forwarding.problems.last == "A (PVA): no read access"


def test_a_repeat_is_the_same_payload_at_kafkas_time_now_and_no_alarm() -> None:
    forwarding = Forwarding(period_ms=1000)
    a, b = forwarding.add(spec("A", periodic=1), spec("B"))
    forwarding.core.take(values(a, (1.0, NOW - DAY)), NOW)
    forwarding.core.take(values(b, (2.0, NOW)), NOW)
    forwarding.core.take(alarms(a, (Severity.MINOR, "HIGH", NOW)), NOW)
    ((_, ((_, payload, _), *_)),) = forwarding.raw()

    forwarding.core.repeat(NOW // 1_000_000 + 999)
    assert forwarding.raw() == []
    forwarding.core.repeat(NOW // 1_000_000 + 1000)
    assert forwarding.raw() == [("data", [(b"A", payload, NOW // 1_000_000 + 1000)])]


def test_replace_with_periodic_off_stops_the_repeats_without_a_new_value() -> None:
    forwarding = Forwarding(period_ms=1000)
    (number,) = forwarding.add(spec("A", periodic=1))
    forwarding.take(values(number, (1.0, NOW)))

    forwarding.do(ConfigChange.REPLACE, spec("A", periodic=0))
    forwarding.core.repeat(NOW // 1_000_000 + 5000)

    assert forwarding.raw() == []
