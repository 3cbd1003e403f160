import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbeam.errors import WireError
from testbeam.wire.channel_access import names, values
from testbeam.wire.channel_access.values import DbrValue, FieldType, Form, Limits, dbr_type, decode

SECONDS_1990 = 631_152_000
LIMITS = Limits(display=(2, 1), alarm=(6, 3), warning=(5, 4), control=(8, 7))  # from the numbers 1 to 8 in the order of the wire


def timed(element: float | str) -> DbrValue:
    return DbrValue(elements=(element,), timestamp_ns=(SECONDS_1990 + 1) * 10**9 + 2)


CHOICES = b"OFF".ljust(26, b"\0") + b"ON".ljust(26, b"\0") + bytes(14 * 26)

# One payload for each form and type whose layout differs, written out as db_access.h has it.
LAYOUTS = {
    (FieldType.STRING, Form.PLAIN): (b"abc".ljust(40, b"\0"), DbrValue(elements=("abc",))),
    (FieldType.DOUBLE, Form.STS): (struct.pack(">hh4xd", 3, 2, 1.5), DbrValue(elements=(1.5,), status=3, severity=2)),
    (FieldType.CHAR, Form.STS): (struct.pack(">hhxB", 3, 2, 9), DbrValue(elements=(9,), status=3, severity=2)),
    (FieldType.LONG, Form.STS): (struct.pack(">hhi", 3, 2, -9), DbrValue(elements=(-9,), status=3, severity=2)),
    (FieldType.DOUBLE, Form.TIME): (struct.pack(">hhII4xd", 0, 0, 1, 2, 1.5), timed(1.5)),
    (FieldType.FLOAT, Form.TIME): (struct.pack(">hhIIf", 0, 0, 1, 2, 1.5), timed(1.5)),
    (FieldType.SHORT, Form.TIME): (struct.pack(">hhII2xh", 0, 0, 1, 2, -7), timed(-7)),
    (FieldType.ENUM, Form.TIME): (struct.pack(">hhII2xH", 0, 0, 1, 2, 7), timed(7)),
    (FieldType.CHAR, Form.TIME): (struct.pack(">hhII3xB", 0, 0, 1, 2, 7), timed(7)),
    (FieldType.LONG, Form.TIME): (struct.pack(">hhIIi", 0, 0, 1, 2, -7), timed(-7)),
    (FieldType.STRING, Form.TIME): (struct.pack(">hhII40s", 0, 0, 1, 2, b"abc"), timed("abc")),
    (FieldType.DOUBLE, Form.CTRL): (
        struct.pack(">hhh2x8s8dd", 0, 0, 3, b"V", 1, 2, 3, 4, 5, 6, 7, 8, 1.5),
        DbrValue(elements=(1.5,), units="V", precision=3, limits=LIMITS),
    ),
    (FieldType.FLOAT, Form.CTRL): (
        struct.pack(">hhh2x8s8ff", 0, 0, 3, b"V", 1, 2, 3, 4, 5, 6, 7, 8, 1.5),
        DbrValue(elements=(1.5,), units="V", precision=3, limits=LIMITS),
    ),
    (FieldType.SHORT, Form.CTRL): (
        struct.pack(">hh8s8hh", 0, 0, b"V", 1, 2, 3, 4, 5, 6, 7, 8, -7),
        DbrValue(elements=(-7,), units="V", limits=LIMITS),
    ),
    (FieldType.LONG, Form.CTRL): (
        struct.pack(">hh8s8ii", 0, 0, b"V", 1, 2, 3, 4, 5, 6, 7, 8, -7),
        DbrValue(elements=(-7,), units="V", limits=LIMITS),
    ),
    (FieldType.CHAR, Form.CTRL): (
        struct.pack(">hh8s8BxB", 0, 0, b"V", 1, 2, 3, 4, 5, 6, 7, 8, 7),
        DbrValue(elements=(7,), units="V", limits=LIMITS),
    ),
    (FieldType.LONG, Form.GR): (
        struct.pack(">hh8s6ii", 0, 0, b"V", 1, 2, 3, 4, 5, 6, -7),
        DbrValue(elements=(-7,), units="V", limits=Limits(display=(2, 1), alarm=(6, 3), warning=(5, 4), control=(2, 1))),
    ),
    (FieldType.ENUM, Form.CTRL): (struct.pack(">hhh", 0, 0, 2) + CHOICES + b"\0\1", DbrValue(elements=(1,), choices=("OFF", "ON"))),
    (FieldType.STRING, Form.CTRL): (struct.pack(">hh40s", 0, 0, b"abc"), DbrValue(elements=("abc",))),
}


@pytest.mark.parametrize(("kind", "form"), LAYOUTS)
def test_every_layout_is_read_as_base_writes_it(kind: FieldType, form: Form) -> None:
    payload, expected = LAYOUTS[kind, form]

    assert decode(dbr_type(kind, form), 1, payload) == expected


@pytest.mark.parametrize(("kind", "form"), LAYOUTS)
def test_a_payload_cut_anywhere_is_refused(kind: FieldType, form: Form) -> None:
    payload, _ = LAYOUTS[kind, form]
    shortest = len(payload) - 39 if kind is FieldType.STRING else len(payload)  # a single string may come without its unused bytes

    for size in range(shortest):
        with pytest.raises(WireError):
            decode(dbr_type(kind, form), 1, payload[:size])


def test_a_single_string_may_come_without_its_unused_bytes() -> None:
    assert decode(dbr_type(FieldType.STRING, Form.PLAIN), 1, b"abc\0").elements == ("abc",)


def test_a_record_that_was_never_processed_has_time_0() -> None:
    payload = struct.pack(">hhII4xd", 17, 3, 0, 0, 0.0)

    assert decode(dbr_type(FieldType.DOUBLE, Form.TIME), 1, payload).timestamp_ns == 0


def test_an_array_may_be_empty() -> None:
    assert decode(dbr_type(FieldType.DOUBLE, Form.TIME), 0, struct.pack(">hhII4x", 0, 0, 1, 2)).elements == ()


def test_an_enum_with_more_choices_than_there_is_room_for_is_refused() -> None:
    with pytest.raises(WireError, match="17 choices"):
        decode(dbr_type(FieldType.ENUM, Form.CTRL), 1, struct.pack(">hhh", 0, 0, 17) + CHOICES + b"\0\1")


@pytest.mark.parametrize("number", [-1, 35, 38, 65_535])
def test_a_type_that_carries_no_value_is_refused(number: int) -> None:
    with pytest.raises(WireError, match="no DBR type"):
        decode(number, 1, bytes(100))


def test_a_field_type_that_does_not_exist_is_refused() -> None:
    with pytest.raises(WireError, match="9 is no type of a field"):
        values.field_type(9)


@given(st.integers(-1, 40), st.integers(0, 2**32 - 1), st.binary(max_size=600))
def test_any_payload_gives_a_value_that_it_justifies_or_a_wire_error(number: int, count: int, payload: bytes) -> None:
    try:
        value = decode(number, count, payload)
    except WireError:
        return
    assert len(value.elements) == count
    assert count <= len(payload)


@pytest.mark.parametrize(("kind", "form"), LAYOUTS)
def test_a_thousand_corrupted_payloads_raise_nothing_but_wire_errors(kind: FieldType, form: Form) -> None:
    chance, refused = random.Random(f"{kind}{form}"), 0
    for _ in range(1000):
        payload = bytearray(LAYOUTS[kind, form][0])
        for _ in range(chance.randint(1, 8)):
            payload[chance.randrange(len(payload))] = chance.randrange(256)
        try:
            decode(dbr_type(kind, form), chance.choice((0, 1, 1, 2, 2**31)), bytes(payload))
        except WireError:
            refused += 1
    assert refused > 0  # counts that the payload can't hold, at least


@given(st.lists(st.floats(allow_nan=False)))
def test_doubles_come_back_as_they_were(elements: list[float]) -> None:
    payload = values.encode(FieldType.DOUBLE, elements)

    assert decode(dbr_type(FieldType.DOUBLE, Form.PLAIN), len(elements), payload).elements == tuple(elements)


@given(st.lists(st.integers(-(2**31), 2**31 - 1)))
def test_longs_come_back_as_they_were(elements: list[int]) -> None:
    payload = values.encode(FieldType.LONG, elements)

    assert decode(dbr_type(FieldType.LONG, Form.PLAIN), len(elements), payload).elements == tuple(elements)


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=9), min_size=1))
def test_strings_come_back_as_they_were(elements: list[str]) -> None:
    payload = values.encode(FieldType.STRING, elements)

    assert decode(dbr_type(FieldType.STRING, Form.PLAIN), len(elements), payload).elements == tuple(elements)


def test_a_string_of_40_bytes_is_refused() -> None:
    with pytest.raises(WireError, match="40 bytes, a string of Channel Access holds 39"):
        values.encode(FieldType.STRING, ["x" * 40])


@pytest.mark.parametrize(
    ("kind", "element"), [(FieldType.LONG, 2**31), (FieldType.SHORT, 1.5), (FieldType.DOUBLE, "a"), (FieldType.CHAR, -1)]
)
def test_an_element_that_does_not_fit_the_type_is_refused(kind: FieldType, element: float | str) -> None:
    with pytest.raises(WireError, match=f"does not fit {kind.name}"):
        values.encode(kind, [element])


def test_alarms_have_the_words_of_base() -> None:
    assert [names.alarm_status(number) for number in (0, 3, 4, 17, 99)] == ["NO_ALARM", "HIHI", "HIGH", "UDF", "STATUS 99"]


def test_reasons_of_a_refusal_are_sentences_or_the_bare_number() -> None:
    assert names.reason(160) == "the record did not take the value"
    assert names.reason(7) == "CA status 7"
