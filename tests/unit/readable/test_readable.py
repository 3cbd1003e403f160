import dataclasses
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbeam.clients.waiting import subtest
from testbeam.model import runs, samples
from testbeam.model.samples import Alarm, Severity
from testbeam.wire.flatbuffers.registry import DECODERS, ENCODERS
from testbeam.wire.kafka.message import KafkaMessage
from testbeam.wire.readable.message import line, payload_tree, tree
from testbeam.wire.readable.payload import kind_of, schema_of, tell
from testbeam.wire.readable.texts import bytes_text, hex_head, printable, size, time_ms, time_ns
from testbeam.wire.readable.times_of import payload_time_ns
from testbeam.wire.readable.tree import as_json, dumps, dumps_lines
from testbeam.wire.readable.values import line_of, source_of
from tests.hostile.corpus import HOSTILE_BY_KIND, VALID, corruptions
from tests.hostile.structures import Case

AT = 1_700_000_000_123


def on_kafka(value: bytes | None, key: bytes | None = None, headers: tuple[tuple[str, bytes | None], ...] = ()) -> KafkaMessage:
    return KafkaMessage("tb_motion", 2, 17, 1, AT, key, value, headers)


def strict(text: str) -> Any:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


LINES = {
    "6s4t": "stop job on writer-1 at 2023-11-14T22:14:20.000Z, command b6e0d4f5-2b0f-4b8f-8f3b-3b6f7d0e9a11",
    "ad00": "image 7, [2×3] 1, 2, 3, … (1…65535) uint16, 3 attributes, at 2023-11-14T22:13:20.123456789Z",
    "al00": 'MAJOR "HIHI", at 2023-11-14T22:13:20.123456789Z',
    "answ": 'FAILURE 400 to SET_STOP_TIME of job 7ed1b7f8-7c2b-41c7-9cf0-08cbd7e3f1f2: "no such job"',
    "da00": "signal [2×3] 0.5, 1.0, 2.0, … (0.5…16.0) float64 counts, with time_of_arrival, start_time, comment, "
    "at 2023-11-14T22:13:20.123456789Z",
    "ep01": "DISCONNECTED, seen by forwarder-1, at 2023-11-14T22:13:20.123456789Z",
    "ev44": "message 42, 2 pulses, 5 events, first tof 1.000 ms, tof 1.000…5.000 ms, pixel 1…16384, "
    "pulse at 2023-11-14T22:13:20.000000000Z",
    "f144": "-12.75 float64, at 2023-11-14T22:13:20.123456789Z",
    "fc00": "REPLACE 2 streams: TB:VOLT-RB (CA) as f144 to tb_motion; TB:COUNT (PVA) as f144 to tb_motion",
}


@pytest.mark.parametrize("schema", sorted(LINES))
def test_a_message_is_told_in_one_line(schema: str) -> None:
    assert tell(VALID[schema]).text == LINES[schema]


@pytest.mark.parametrize("schema", sorted(DECODERS))
def test_every_schema_is_told_with_its_source_and_as_strict_json(schema: str) -> None:
    said = tell(VALID[schema])

    assert (said.schema, said.problem) == (schema, "")
    assert said.text
    assert said.text.isprintable()
    assert (said.source != "") is (schema not in ("fc00", "rf5k"))
    shown = strict(dumps(payload_tree(VALID[schema], full=True)))
    assert set(shown["value"]) >= {field.name for field in dataclasses.fields(DECODERS[schema](VALID[schema]))}
    assert strict(dumps_lines(payload_tree(VALID[schema], full=True))) == shown


FOREIGN = ("JSON instead of a message", "JSON that is cut off", "text")  # told as what they are


@pytest.mark.parametrize("cases", HOSTILE_BY_KIND.values(), ids=HOSTILE_BY_KIND)
def test_junk_is_told_with_its_reason(cases: list[Case]) -> None:
    for name, payload in cases:
        if name in FOREIGN:
            continue
        with subtest(name):
            said = tell(payload)
            assert said.problem
            assert said.value is None
            assert said.text.isprintable()
            assert len(said.text) < 400
            assert "JUNK" in line(on_kafka(payload))
            assert strict(dumps(tree(on_kafka(payload), full=True)))["problem"] == said.problem


@pytest.mark.parametrize("schema", sorted(VALID))
def test_no_corrupted_message_breaks_a_line_or_json(schema: str) -> None:
    for payload in corruptions(VALID[schema], seed=3, n=300):
        shown = line(on_kafka(payload))
        assert shown.isprintable()
        assert len(shown) < 2_000
        for full in (False, True):
            strict(dumps(tree(on_kafka(payload), full=full)))


@given(st.binary(max_size=40), st.none() | st.binary(max_size=10), st.text(max_size=5))
def test_any_payload_key_and_header_give_a_printable_line(payload: bytes, key: bytes | None, name: str) -> None:
    message = on_kafka(payload, key, ((name, key),))

    assert line(message, topic=True).isprintable()
    assert dumps(tree(message)).isprintable()


def test_a_line_has_time_place_key_schema_and_source() -> None:
    shown = line(on_kafka(VALID["f144"], b"volt", (("a", b"1"),)), topic=True)

    assert shown.split("  ")[:3] == ["2023-11-14T22:13:20.123Z", "tb_motion", "2@17"]
    assert shown.endswith("volt  f144  TB:VOLT-RB  -12.75 float64, at 2023-11-14T22:13:20.123456789Z  [1 headers]")


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (None, "no payload (tombstone)"),
        (b"", "empty; 0 B"),
        (b"abc", '3 B: "abc"'),
        (b"\1bc", "too short for a message; 3 B: 0x016263"),
        (b"\0\0\0\0zz99\0\0\0\0", "unknown schema 'zz99'; 12 B: 0x000000007a7a393900000000"),
        (b'{"cmd":\n "add"}', '{"cmd": "add"}'),
        (b'[1, {"a": NaN}]', '[1, {"a": NaN}]'),
        (b'{"cmd": ', '8 B: "{"cmd": "'),
        ("ü".encode() * 60, f'120 B: "{"ü" * 60}"'),
        (bytes(1_000), f"no schema id; 1.0 kB: 0x{'00' * 16}…"),
    ],
)
def test_what_is_no_message_is_told_as_what_it_is(payload: bytes | None, text: str) -> None:
    assert tell(payload).text == text


def test_a_text_of_a_payload_never_steers_the_terminal() -> None:
    evil = ENCODERS["al00"](Alarm(source_name="\x1b[2J\u202eVOLT\n", timestamp_ns=1, severity=Severity.OK, message="\x9b31m"))

    shown = line(on_kafka(evil, key=b"\x1b]0;"))
    as_tree = dumps(tree(on_kafka(evil)))

    assert shown.isprintable()
    assert r"\x1b[2J\u202eVOLT\n" in shown
    assert "0x1b5d303b" in shown
    assert as_tree.isprintable()
    assert strict(as_tree)["value"]["message"] == "\x9b31m"


def test_a_new_schema_is_readable_without_words_of_its_own() -> None:
    @dataclasses.dataclass(frozen=True)
    class Image:
        source_name: str
        timestamp_ns: int
        data: Any
        unit: str
        state: Severity
        raw: bytes
        axes: tuple[str, ...]

    image = Image("camera", 5, np.arange(12.0).reshape(3, 4), "counts", Severity.MINOR, b"\1\2", ("x", "y"))

    assert source_of(image) == "camera"
    assert line_of(image) == (
        'timestamp_ns 5, data [3×4] 0.0, 1.0, 2.0, … (0.0…11.0) float64, unit "counts", state MINOR, raw 0x0102, axes [2 items]'
    )
    assert line_of("no dataclass") == '"no dataclass"'
    assert payload_time_ns(image) == 5


def test_events_without_events_pulses_or_pixels_are_told() -> None:
    none = np.empty(0, np.int32)
    empty = samples.Events(
        source_name="m",
        message_id=1,
        reference_time_ns=np.empty(0, np.int64),
        reference_time_index=none,
        time_of_flight_ns=none,
        pixel_id=none,
    )

    assert line_of(empty) == "message 1, 0 pulses, 0 events"
    assert payload_time_ns(empty) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.float64("nan"), "nan float64"),
        (np.int32(7), "7 int32"),
        (np.array(7, np.int16), "7 int16"),
        (np.array([1, 2], np.int8), "[2] 1, 2 int8"),
        (np.array([], np.int8), "[0] int8"),
        (np.arange(1_000), "[1000] 0, 1, 2, … (0…999) int64"),
    ],
)
def test_numbers_and_arrays_are_told_shortly(value: Any, text: str) -> None:
    assert line_of(samples.LogValue(source_name="x", value=value, timestamp_ns=0)) == f"{text}, at 1970-01-01T00:00:00.000000000Z"


def test_a_job_is_told_with_its_span_and_who_is_asked() -> None:
    start = runs.RunStart(job_id="j", filename="f.nxs", nexus_structure="{}", start_time_ms=AT, service_id="writer-1")

    assert source_of(start) == "j"
    assert line_of(start) == (
        'start job on writer-1 into "f.nxs", from 2023-11-14T22:13:20.123Z to its stop command, nexus_structure of 2 characters'
    )


def test_long_arrays_are_shortened_as_json_unless_all_is_asked_for() -> None:
    events = DECODERS["ev44"](VALID["ev44"])
    many = dataclasses.replace(events, pixel_id=np.arange(100, dtype=np.int32))

    short, full = as_json(many)["pixel_id"], as_json(many, full=True)["pixel_id"]

    assert short == {"dtype": "int32", "shape": [100], "first": list(range(8)), "last": list(range(92, 100)), "min": 0, "max": 99}
    assert full == {"dtype": "int32", "shape": [100], "values": list(range(100))}


def test_long_texts_and_lists_are_shortened_as_json_unless_all_is_asked_for() -> None:
    assert as_json("x" * 500) == f"{'x' * 400}… (500 characters)"
    assert as_json("x" * 500, full=True) == "x" * 500
    assert as_json(list(range(101)))[-1] == "… (101 in all)"
    assert len(as_json(list(range(101)), full=True)) == 101


def test_a_scalar_keeps_its_type_beside_it() -> None:
    shown = as_json(samples.LogValue(source_name="x", value=np.float32(0.5), timestamp_ns=1))

    assert shown == {"source_name": "x", "value": 0.5, "value_dtype": "float32", "timestamp_ns": 1}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32("nan"), np.array([math.nan, 1.0]), {"a": [math.inf]}])
def test_what_json_has_no_word_for_is_a_text(value: Any) -> None:
    strict(dumps(as_json(value)))


@pytest.mark.parametrize(
    ("at_ns", "text"),
    [
        (0, "1970-01-01T00:00:00.000000000Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (2**63 - 1, "2262-04-11T23:47:16.854775807Z"),
        (2**90, f"{2**90} ns"),
    ],
)
def test_a_time_is_told_to_the_nanosecond_or_stays_a_number(at_ns: int, text: str) -> None:
    assert time_ns(at_ns) == text


def test_small_texts() -> None:
    assert time_ms(2**62) == f"{2**62} ms"
    assert [size(n) for n in (12, 3_400, 5_600_000, 7_800_000_000)] == ["12 B", "3.4 kB", "5.6 MB", "7.8 GB"]
    assert [bytes_text(key) for key in (None, b"", b"key", b"\xff\0")] == ["-", "", "key", "0xff00"]
    assert hex_head(bytes(20)) == f"0x{'00' * 16}…"
    assert printable("abcdef", 3) == "abc… (6 characters)"
    assert schema_of(b"....\xff\xfe\xfd\xfc") == "-"


def test_json_is_told_as_json_whatever_letters_stand_where_a_schema_would() -> None:
    chat = b'{"message": "beam is back", "instrument": "tb", "source": "NICOS"}'

    said = tell(chat)

    assert (said.schema, said.source, said.problem) == ("json", "NICOS", "")
    assert payload_tree(chat)["value"] == {"message": "beam is back", "instrument": "tb", "source": "NICOS"}
    assert "JUNK" not in line(on_kafka(chat))


@pytest.mark.parametrize(
    "payload", [b"[" * 100_000, b'{"a": ' * 50_000, b'{"n": 1' + b"0" * 10_000 + b"}"], ids=["lists", "objects", "number"]
)
def test_json_that_no_parser_takes_is_text(payload: bytes) -> None:
    assert tell(payload).schema in ("text", "json")
    assert line(on_kafka(payload)).isprintable()
    strict(dumps(tree(on_kafka(payload))))


def test_text_is_told_as_text_and_can_not_steer_the_terminal() -> None:
    said = tell("Grüße\n\tvom Strahl".encode())

    assert (said.schema, said.problem) == ("text", "")
    assert "Grüße" in said.text
    assert said.text.isprintable()
    assert tell(b"\x1b[2J").problem


def test_unknown_bytes_are_shown_in_hex_with_the_name_of_their_schema() -> None:
    shown = payload_tree(b"\0\0\0\0zz99" + bytes(range(256)))

    assert shown["schema"] == "zz99"
    assert shown["dump"][0] == "000000  00 00 00 00 7a 7a 39 39 00 01 02 03 04 05 06 07  ....zz99........"
    assert shown["dump"][-1] == "… 8 more bytes"
    assert len(payload_tree(bytes(300), full=True)["dump"]) == 19


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        (VALID["f144"], "f144"),
        (b'{"a": 1}' + b" " * 500, "json"),
        (b"hello", "text"),
        (b"\0\0\0\0zz99\0", "zz99"),
        (b"\1", "-"),
        (b"", "-"),
    ],
)
def test_a_list_of_topics_tells_the_kind_of_a_payload(payload: bytes, kind: str) -> None:
    assert kind_of(payload) == kind
