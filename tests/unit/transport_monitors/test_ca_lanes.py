import ctypes
import struct
from typing import Any

import numpy as np
import pytest

from testbeam.model.updates import Form
from testbeam.transport.ca.libca import NORMAL, EventArgs
from testbeam.transport.ca.update_buffers import Lane, Rows, Waiting, make_lane
from testbeam.wire.channel_access.values import FieldType

EPOCH_S = 631_152_000
# How the C compiler lays out struct dbr_time_*: status, severity, seconds, nanoseconds, padding, first value.
HEADS = {"SHORT": "hhII2xh", "FLOAT": "hhIIf", "ENUM": "hhII2xH", "CHAR": "hhII3xB", "LONG": "hhIIi", "DOUBLE": "hhII4xd"}


def refuse(stream: int, status: int) -> None:
    raise AssertionError(f"stream {stream} was refused with {status}")


def lane(kind: FieldType, is_array: bool = False, refused: Any = refuse) -> Lane:
    return make_lane(kind, is_array, refused)


def event(made: Lane, stream: int, raw: bytes, count: int = 1, status: int = NORMAL) -> None:
    """Call the lane's handler as libca does."""
    buffer = ctypes.create_string_buffer(raw, len(raw))
    made.handler(EventArgs(stream, None, 0, count, ctypes.addressof(buffer) if status == NORMAL else None, status))


def taken(made: Lane) -> Rows:
    """Return the rows of a lane that dropped none."""
    result = made.take()
    assert result is not None
    rows, dropped = result
    assert dropped == 0
    return rows


@pytest.mark.parametrize(
    ("kind", "value", "dtype"),
    [("SHORT", -7, "i2"), ("FLOAT", 0.5, "f4"), ("ENUM", 3, "u2"), ("CHAR", 200, "u1"), ("LONG", -70_000, "i4"), ("DOUBLE", 1e300, "f8")],
)
def test_scalars_are_read_with_alarm_and_time(kind: str, value: float, dtype: str) -> None:
    made = lane(FieldType[kind])
    event(made, 5, struct.pack("<" + HEADS[kind], 4, 1, 100, 7, value))

    rows = taken(made)

    assert list(rows.columns.rows()) == [(5, value, (EPOCH_S + 100) * 10**9 + 7)]
    assert rows.columns.dtype == dtype
    assert rows.columns.form is (Form.ENUM if kind == "ENUM" else Form.SCALAR)
    assert rows.alarms() == [(5, (EPOCH_S + 100) * 10**9 + 7, 1, 4)]


def test_an_array_has_as_many_elements_as_came() -> None:
    made = lane(FieldType.LONG, is_array=True)
    for n in (3, 0, 1):
        event(made, 2, struct.pack(f"<hhII{n}i", 0, 0, 1, 0, *range(n)), count=n)

    rows = taken(made)

    assert [value.tolist() for _, value, _ in rows.columns.rows()] == [[0, 1, 2], [], [0]]
    assert rows.columns.form is Form.ARRAY


def test_strings_end_at_their_zero() -> None:
    made, many = lane(FieldType.STRING), lane(FieldType.STRING, is_array=True)
    event(made, 1, struct.pack("<hhII40s", 0, 0, 1, 0, b"on\0rubbish"))
    event(many, 1, struct.pack("<hhII40s40s", 0, 0, 1, 0, b"a", b"b" * 40), count=2)

    one, two = taken(made), taken(many)

    assert [value for _, value, _ in one.columns.rows()] == ["on"]
    assert [value for _, value, _ in two.columns.rows()] == [["a", "b" * 40]]
    assert one.columns.dtype == two.columns.dtype == "U"


def test_an_update_that_carries_an_error_is_refused_and_not_read() -> None:
    refused: list[tuple[int, int]] = []
    made = lane(FieldType.DOUBLE, refused=lambda stream, status: refused.append((stream, status)))

    event(made, 9, b"", status=368)

    assert refused == [(9, 368)]
    assert made.take() is None


def test_a_full_lane_keeps_the_newest_of_each_pv_in_order_and_counts_the_rest() -> None:
    waiting = Waiting(most=2)
    for n in range(6):
        waiting.add(1, b"a%d" % n)
    waiting.add(2, b"b0")

    rows, dropped = waiting.take()

    assert rows == [(1, b"a0"), (1, b"a1"), (1, b"a5"), (2, b"b0")]
    assert dropped == 3
    waiting.add(1, b"a6")
    assert waiting.take() == ([(1, b"a6")], 0)


def test_the_layout_is_that_of_epics_base() -> None:
    made = lane(FieldType.DOUBLE)
    for n in range(1000):
        event(made, 1 + n % 3, struct.pack("<" + HEADS["DOUBLE"], 0, 0, n, 999_999_999, float(n)))

    columns = taken(made).columns

    assert np.array_equal(columns.value, np.arange(1000.0))
    assert columns.timestamp_ns[999] == (EPOCH_S + 999) * 10**9 + 999_999_999
