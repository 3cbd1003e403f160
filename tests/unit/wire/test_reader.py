"""What the verified reader takes and refuses beyond the hostile corpus: sharing, padding, newer producers, wording."""

import struct

import numpy as np
import pytest

from testbeam.errors import WireError
from testbeam.model.samples import Events
from testbeam.wire.flatbuffers.codec.layouts import MAX_LAYOUTS
from testbeam.wire.flatbuffers.codec.reader import read
from testbeam.wire.flatbuffers.codec.tables import NestedVector, String, Table
from testbeam.wire.flatbuffers.registry import decode, schema_id
from testbeam.wire.flatbuffers.schemas.events_ev44 import decode_ev44, encode_ev44, index_problem
from tests.hostile.anatomy import Anatomy
from tests.hostile.corpus import VALID

NAMES = Table("test", (String("one", 0), String("two", 1)))
ROWS = Table("test", (NestedVector("rows", 0, Table("row", (String("name", 0),))),))


def _message(*parts: bytes) -> bytes:
    return b"".join(parts)


def test_bytes_behind_the_message_are_ignored() -> None:
    assert decode(VALID["al00"] + bytes(1)) == decode(VALID["al00"] + b"\xff" * 4096) == decode(VALID["al00"])


def test_a_string_may_be_shared() -> None:
    message = _message(
        struct.pack("<I4s4H", 16, b"test", 8, 12, 4, 8),
        struct.pack("<iII", 8, 8, 4),
        struct.pack("<I3sx", 3, b"abc"),
    )

    assert read(message, NAMES) == ("abc", "abc")


def test_a_table_may_not_be_used_twice() -> None:
    message = _message(
        struct.pack("<I4s3Hxx", 16, b"test", 6, 8, 4),
        struct.pack("<iI", 8, 4),
        struct.pack("<III", 2, 12, 8),
        struct.pack("<HH", 4, 4),
        struct.pack("<i", 4),
    )

    with pytest.raises(WireError, match=r"row at 40 is used twice"):
        read(message, ROWS)


def test_fields_of_a_newer_schema_are_ignored() -> None:
    anatomy = Anatomy(VALID["al00"])
    slots = struct.unpack_from("<4H", anatomy.message, anatomy.vtable + 4)
    vtable = struct.pack("<8H", 16, anatomy.table_size, *slots, 4, 0)
    moved = len(anatomy.message)  # the longer vtable stands behind the message
    message = anatomy.with_u32(anatomy.table, anatomy.table - moved) + vtable

    assert decode(message) == decode(VALID["al00"])


def test_a_flood_of_layouts_does_not_stay_in_memory() -> None:
    for number in range(3 * MAX_LAYOUTS):
        table_size = 12 + 4 * number
        head = struct.pack("<I4s4H", 16, b"test", 8, table_size, 4, 0)
        read(head + struct.pack("<iI", 8, table_size - 4) + bytes(table_size - 8) + struct.pack("<Ixxxx", 0), NAMES)

    assert len(NAMES.layouts) <= MAX_LAYOUTS


def test_an_error_names_the_schema_the_field_and_the_place() -> None:
    anatomy = Anatomy(VALID["wrdn"])

    with pytest.raises(WireError, match=r"^wrdn: file_name at \d+ has no terminating zero inside the buffer$"):
        decode(anatomy.with_u32(anatomy.target(3), 100_000))


def test_the_schema_id_of_anything_with_eight_bytes_is_four_characters() -> None:
    assert schema_id(VALID["pl72"]) == "pl72"
    assert len(schema_id(b"\xff" * 8)) == 4
    with pytest.raises(WireError, match="7 bytes"):
        schema_id(bytes(7))


def test_an_unknown_schema_is_named_with_those_that_are_known() -> None:
    with pytest.raises(WireError, match=r"'zz99': unknown schema; known are 6s4t.*x5f2"):
        decode(b"\x08\0\0\0zz99" + bytes(64))


def test_arrays_can_t_be_written_to() -> None:
    events = decode_ev44(VALID["ev44"])

    for array in (events.reference_time_ns, events.reference_time_index, events.time_of_flight_ns, events.pixel_id):
        assert not array.flags.writeable


@pytest.mark.parametrize(
    ("index", "problem"),
    [([], None), ([0], None), ([3], None), ([0, 0, 3], None), ([4], "with 3 events"), ([-1], "-1"), ([0, 2, 1], "goes down")],
)
def test_pulses_whose_events_are_elsewhere_are_told(index: list[int], problem: str | None) -> None:
    events = Events(
        source_name="det",
        message_id=1,
        reference_time_ns=np.arange(len(index)),
        reference_time_index=np.array(index, np.int32),
        time_of_flight_ns=np.arange(3, dtype=np.int32),
        pixel_id=np.arange(3, dtype=np.int32),
    )

    told = index_problem(decode_ev44(encode_ev44(events)))

    assert told is None if problem is None else problem in str(told)
