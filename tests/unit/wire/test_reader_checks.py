"""Each check of the reader alone: messages with one flaw that no other check would find."""

import struct

import numpy as np
import pytest

from testbeam.errors import WireError
from testbeam.model.samples import Events, LogValue
from testbeam.wire.flatbuffers.codec.reader import read
from testbeam.wire.flatbuffers.codec.tables import Nested, Scalar, String, Table, Vector
from testbeam.wire.flatbuffers.schemas.columns_f144 import decode_f144_columns
from testbeam.wire.flatbuffers.schemas.events_ev44 import decode_ev44, encode_ev44
from testbeam.wire.flatbuffers.schemas.log_value_f144 import decode_f144, encode_f144
from tests.hostile.anatomy import Anatomy

TEXT = Table("test", (String("text", 0),))
TWO_TEXTS = Table("test", (String("one", 0), String("two", 1)))
LONG = Table("test", (Scalar("number", 0, "q"),))
TWO_LONGS = Table("test", (Scalar("one", 0, "q"), Scalar("two", 1, "q")))
SHORT = Table("test", (Scalar("number", 0, "h"),))
ARRAY = Table("test", (Vector("array", 0, "<i8"),))
TWO_ARRAYS = Table("test", (Vector("one", 0, "<i4"), Vector("two", 1, "<i4")))
INNER = Table("test", (String("text", 0), Nested("inner", 1, Table("inner", (Scalar("number", 0, "i"),)))))

SOUND = struct.pack("<I4s3HxxiII3sx", 16, b"test", 6, 8, 4, 8, 4, 3, b"abc")

FLAWED = {
    "table unaligned": (TEXT, struct.pack("<I4s3HiII3sxxx", 14, b"test", 6, 8, 4, 6, 6, 3, b"abc"), "table test at 14"),
    "vtable unaligned": (TEXT, struct.pack("<I4sx3HxiII3sx", 16, b"test", 6, 8, 4, 7, 4, 3, b"abc"), "vtable of test at 9"),
    "vtable within its table": (TEXT, struct.pack("<I4sHHiII3sx", 12, b"test", 8, 8, 4, 4, 3, b"abc"), "at 12 lies over"),
    "string unaligned": (TEXT, struct.pack("<I4s3HxxiIxI3sx", 16, b"test", 6, 8, 4, 8, 5, 3, b"abc"), "points 5 bytes on"),
    "field unaligned": (SHORT, struct.pack("<I4s3Hxxixhx", 16, b"test", 6, 8, 5, 8, 7), "number at offset 5 of table test is unaligned"),
    "8-byte field unaligned": (LONG, struct.pack("<I4s3Hxxiq", 16, b"test", 6, 12, 4, 8, 7), "8-byte fields of table test at 16"),
    "8-byte fields that can't both be aligned": (
        TWO_LONGS,
        struct.pack("<I4s4Hxxxxiqxxxxq", 20, b"test", 8, 24, 4, 16, 12, 1, 2),
        "can't all be aligned",
    ),
    "elements unaligned": (ARRAY, struct.pack("<I4s3HxxiIIqxxxx", 16, b"test", 6, 8, 4, 8, 4, 1, 7), "unaligned for elements of 8 bytes"),
    "string within a string": (
        TWO_TEXTS,
        struct.pack("<I4s4HiIII4sI4s", 16, b"test", 8, 12, 4, 8, 8, 8, 12, 10, b"text", 1, b"x"),
        "begins at 36 lies over what ends at 43",
    ),
    "array over the end of another": (
        TWO_ARRAYS,
        struct.pack("<I4s4HiII4I2I", 16, b"test", 8, 12, 4, 8, 8, 8, 12, 2, 7, 1, 0, 0, 0),
        "begins at 36 lies over what ends at 40",
    ),
    "table within a string": (
        INNER,
        struct.pack("<I4s6Hi4Ii3sx", 20, b"test", 8, 12, 4, 8, 4, 4, 12, 8, 12, 11, 0, 24, b"abc"),
        "begins at 40 lies over what ends at 48",
    ),
    "array over the schema id": (ARRAY, struct.pack("<I4s3HxxiI", 16, b"test", 6, 8, 4, 8, 2**32 - 16), "points 4294967280 bytes on"),
}


def test_the_messages_have_no_other_flaw() -> None:
    assert read(SOUND, TEXT) == ("abc",)


@pytest.mark.parametrize(("table", "message", "problem"), [pytest.param(*case, id=name) for name, case in FLAWED.items()])
def test_a_message_with_one_flaw_is_refused_for_it(table: Table, message: bytes, problem: str) -> None:
    with pytest.raises(WireError, match=problem):
        read(message, table)


def _events(name: str, times: tuple[int, ...], count: int) -> Anatomy:
    events = Events(
        source_name=name,
        message_id=1,
        reference_time_ns=np.array(times),
        reference_time_index=np.zeros(len(times), np.int32),
        time_of_flight_ns=np.ones(count, np.int32),
        pixel_id=np.ones(count, np.int32),
    )
    return Anatomy(encode_ev44(events))


@pytest.mark.parametrize("count", [3, 4])
def test_events_that_reach_into_the_next_array_are_refused(count: int) -> None:
    sound = _events("det", (1,), count)
    without_pixels = Anatomy(sound.with_u32(sound.target(5), 0))
    assert decode_ev44(without_pixels.message).time_of_flight_ns.size == count

    with pytest.raises(WireError, match="lies over"):
        decode_ev44(without_pixels.with_u32(sound.target(4), count + 1))


@pytest.mark.parametrize("count", [3, 4])
def test_reference_times_at_a_place_for_four_bytes_are_refused(count: int) -> None:
    sound = _events("det", (1, 5), count)  # read from four bytes on: one time
    one_index = Anatomy(sound.with_u32(sound.target(3), 1))

    with pytest.raises(WireError, match="unaligned for elements of 8 bytes"):
        decode_ev44(one_index.with_u32(sound.cell(2), sound.u32(sound.cell(2)) + 4))


def test_a_name_at_an_odd_place_is_refused() -> None:
    sound = _events("\0a\0" + 253 * "x", (1,), 3)  # read from one byte on: a name of one character

    with pytest.raises(WireError, match="outside the buffer, or unaligned"):
        decode_ev44(sound.with_u32(sound.cell(0), sound.u32(sound.cell(0)) + 1))


@pytest.mark.parametrize("offset", [0, 5, 8, 0x7FFF_FFFF, 0x8000_0000])
def test_an_f144_value_with_another_offset_to_its_vtable_is_refused(offset: int) -> None:
    sound = Anatomy(encode_f144(LogValue(source_name="ABC", value=np.int8(-7), timestamp_ns=1)))
    broken = sound.with_u32(sound.target(3), offset)

    with pytest.raises(WireError, match="vtable of value"):
        decode_f144(broken)
    batch = decode_f144_columns([sound.message, broken, sound.message])
    assert [row for row, _ in batch.rejected] == [1]
    assert batch.columns[0].row.tolist() == [0, 2]
