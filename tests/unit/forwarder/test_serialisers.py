"""Each schema: what becomes of every kind of value a PV can have."""

from typing import Any

import numpy as np
import pytest

from testbeam.model.arrays import ImageAttribute
from testbeam.model.samples import AlarmStatus, ConnectionState, Severity
from testbeam.model.updates import AlarmColumns, Form, Image, UnitsColumns, UpdateBatch
from testbeam.services.forwarder.core import MISSED
from testbeam.services.forwarder.serialisers import SERIALISERS
from testbeam.services.forwarder.serialisers.f142 import status_of
from tests.unit.forwarder.forwarding import NOW, Forwarding, S, alarms, connections, spec, values

TIMES = np.array([NOW, NOW + 1000], np.int64)


def forwarding(schema: str, **changes: Any) -> Forwarding:
    made = Forwarding()
    made.add(spec("A", schema=schema, **changes))
    return made


def image(unique_id: int, data: Any = None, **changes: Any) -> Image:
    return Image(unique_id=unique_id, data=np.arange(6, dtype="u2").reshape(2, 3) if data is None else data, **changes)


@pytest.mark.parametrize("schema", sorted(SERIALISERS))
def test_every_schema_sends_alarms_and_connections(schema: str) -> None:
    made = forwarding(schema)

    sent = made.take(connections(1, (ConnectionState.CONNECTED, NOW))) + made.take(alarms(1, (Severity.MINOR, "HIGH", NOW)))

    assert [type(message).__name__ for message in sent] == ["ConnectionChange", "Alarm"]


@pytest.mark.parametrize("schema", ["no_op", "al00", "ep01", "un00"])
def test_schemas_without_values_send_none_and_drop_none(schema: str) -> None:
    made = forwarding(schema)

    assert made.take(values(1, (1.0, NOW))) == []
    assert made.drops.total == 0


@pytest.mark.parametrize(("form", "value", "expected"), [(Form.SCALAR, True, 1), (Form.ARRAY, [True, False], [1, 0])])
def test_a_bool_is_an_int8_in_f144(form: Form, value: Any, expected: Any) -> None:
    (sent,) = forwarding("f144").take(values(1, (value, NOW), dtype="?", form=form))

    assert (sent.value.dtype, sent.value.tolist()) == (np.int8, expected)


@pytest.mark.parametrize(
    ("form", "dtype", "value", "expected"),
    [
        (Form.SCALAR, "U", "vanadium", "vanadium"),
        (Form.ARRAY, "U", ["a", "b"], ("a", "b")),
        (Form.SCALAR, "f8", 1.5, 1.5),
        (Form.SCALAR, "?", True, 1),
        (Form.ENUM, "i4", 2, 2),
        (Form.ARRAY, "f4", np.array([0.5], "f4"), [0.5]),
    ],
)
def test_f142_takes_text_and_numbers(form: Form, dtype: str, value: Any, expected: Any) -> None:
    (sent,) = forwarding("f142").take(values(1, (value, NOW), dtype=dtype, form=form))

    assert (sent.value.tolist() if isinstance(sent.value, np.ndarray | np.generic) else sent.value) == expected


def test_f142_carries_the_alarm_of_the_same_update() -> None:
    made = forwarding("f142")
    rows = values(1, (1.0, NOW), (2.0, NOW + S), (3.0, NOW + 2 * S))
    told = AlarmColumns(
        stream=[1, 1], timestamp_ns=[NOW, NOW + 2 * S], severity=[Severity.OK, Severity.MAJOR], message=["NO_ALARM", "HIHI_ALARM"]
    )

    sent = [m for m in made.take(UpdateBatch(values=rows.values, alarms=told)) if hasattr(m, "value")]
    later = made.take(values(1, (4.0, NOW + 3 * S)))

    assert [(m.severity, m.status) for m in sent + later] == [
        (Severity.OK, AlarmStatus.NO_ALARM),
        (Severity.OK, AlarmStatus.NO_ALARM),
        (Severity.MAJOR, AlarmStatus.HIHI),
        (Severity.MAJOR, AlarmStatus.HIHI),
    ]


@pytest.mark.parametrize(
    ("message", "status"),
    [("HIGH", "HIGH"), ("HIHI_ALARM", "HIHI"), ("NO_ALARM", "NO_ALARM"), ("", "NO_ALARM"), ("TIMEOUT", "TIMED"), ("too hot", "UDF")],
)
def test_an_alarm_message_of_ca_or_qsrv_is_a_status(message: str, status: str) -> None:
    assert status_of(message) is AlarmStatus[status]


def test_tdct_counts_what_it_sent_and_passes_over_what_is_empty() -> None:
    made = forwarding("tdct")
    rows = [(np.array([], "i8"), NOW), (np.array([1, 2], "i8"), NOW), (np.array([], "i8"), NOW + S), (np.array([5], "i8"), NOW + S)]

    sent = made.take(values(1, *rows, dtype="i8", form=Form.ARRAY))

    assert [(m.sequence_counter, m.timestamps_ns.tolist()) for m in sent] == [(0, [NOW + 1, NOW + 2]), (1, [NOW + S + 5])]
    assert made.drops.total == 0


@pytest.mark.parametrize("value", [np.array([np.nan]), np.array([-1e19]), np.array([np.inf])])
def test_tdct_refuses_what_is_no_time(value: Any) -> None:
    made = forwarding("tdct")

    assert made.take(values(1, (value, NOW), dtype="f8", form=Form.ARRAY)) == []
    assert made.drops.total == 1


def test_se00_takes_tables_and_floats_keep_their_fraction() -> None:
    made = forwarding("nttable_se00")
    empty = {"value": np.array([]), "timestamp": np.array([], "i8")}
    full = {"value": np.array([0.25, 0.5]), "timestamp": TIMES}

    sent = made.take(values(1, (empty, NOW), (full, NOW), dtype="O", form=Form.TABLE))

    assert [(m.message_counter, m.values.tolist(), m.timestamp_ns, m.time_delta_ns) for m in sent] == [(0, [0.25, 0.5], NOW, 1000.0)]
    assert sent[0].timestamps_ns.tolist() == TIMES.tolist()
    assert made.drops.total == 0


@pytest.mark.parametrize("schema", ["se00", "senv"])
@pytest.mark.parametrize(
    "table",
    [
        {"value": np.array([1])},
        {"values": np.array([1]), "timestamp": TIMES},
        {"value": np.array([1]), "timestamp": TIMES},
        {},
    ],
)
def test_a_table_without_its_columns_is_refused_by_name(schema: str, table: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    made = forwarding(schema)

    assert made.take(values(1, (table, NOW), dtype="O", form=Form.TABLE)) == []
    assert made.drops.counts == {f"{schema} can't carry table of something else": 1}
    assert "column" in caplog.text or "one each" in caplog.text


def test_senv_has_no_place_for_floats() -> None:
    made = forwarding("senv")
    rows = [({"value": np.array([0.5, 1.5]), "timestamp": TIMES}, NOW), ({"value": np.array([1, 2], "i2"), "timestamp": TIMES}, NOW)]

    (sent,) = made.take(values(1, *rows, dtype="O", form=Form.TABLE))

    assert (sent.values.tolist(), sent.message_counter, made.drops.total) == ([1, 2], 0, 1)


def test_every_image_is_sent_and_gaps_are_counted() -> None:
    made = forwarding("ad00")
    rows = [(image(n), NOW + n) for n in (7, 8, 11)]

    sent = made.take(values(1, *rows, dtype="u2", form=Form.IMAGE))

    assert [m.unique_id for m in sent] == [7, 8, 11]
    assert sent[0].data.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert made.drops.counts == {MISSED: 2}


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
def test_an_image_of_every_type_keeps_it(dtype: str) -> None:
    attribute = ImageAttribute(name="On", description="", source="", data=np.array(True))
    (sent,) = forwarding("ad00").take(
        values(1, (image(1, np.ones((2, 2), dtype), attributes=(attribute,)), NOW), dtype=dtype, form=Form.IMAGE)
    )

    assert sent.data.dtype == np.dtype(dtype)
    assert sent.attributes[0].data.tolist() == 1


@pytest.mark.parametrize(("changes", "word"), [({"colour_mode": "RGB1"}, "RGB1"), ({"codec": "jpeg"}, "jpeg")])
def test_colour_and_compression_are_refused_by_name(changes: dict[str, str], word: str, caplog: pytest.LogCaptureFixture) -> None:
    made = forwarding("ad00")

    assert made.take(values(1, (image(1, **changes), NOW), dtype="u2", form=Form.IMAGE)) == []
    assert word in caplog.text


def units(*rows: tuple[str, int]) -> UpdateBatch:
    texts, times = zip(*rows, strict=True)
    return UpdateBatch(units=UnitsColumns(stream=[1] * len(rows), timestamp_ns=times, units=texts))


def test_the_first_unit_and_each_change_give_one_un00_and_nothing_else() -> None:
    made = forwarding("f144")

    sent = made.take(units(("mm", NOW), ("mm", NOW + 1), ("", NOW + 2), ("K", NOW + 3)))

    assert [(m.units, m.timestamp_ns) for m in sent] == [("mm", NOW), ("", NOW + 2), ("K", NOW + 3)]


def test_a_pv_without_a_time_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    made = forwarding("f144")

    assert len(made.take(values(1, (1.0, 0), (2.0, 0)))) == 2
    assert caplog.text.count("has no time stamp") == 1


def test_a_time_before_1970_is_dropped() -> None:
    made = forwarding("f144")

    assert made.take(values(1, (1.0, -5))) == []
    assert made.drops.counts == {"before 1970": 1}
