import ctypes
import struct
from typing import Any

import numpy as np
import pytest

from testbeam.model.time import EPICS_EPOCH_S, NS_PER_S
from testbeam.model.updates import Form, ValueColumns
from testbeam.transport.ca import libca
from testbeam.transport.ca.callbacks import Callbacks
from testbeam.transport.ca.records import Kind, times_ns, units_text, value_columns
from testbeam.wire.channel_access.values import FieldType

# How the C compiler lays out struct dbr_time_*: status, severity, seconds, nanoseconds, padding, first value.
HEADS = {"SHORT": "hhII2xh", "FLOAT": "hhIIf", "ENUM": "hhII2xH", "CHAR": "hhII3xB", "LONG": "hhIIi", "DOUBLE": "hhII4xd"}


class Library:
    """libca as the call-backs see it: a channel is the stream's number, of the type that a test gave it."""

    def __init__(self) -> None:
        self.types: dict[int, tuple[FieldType, int]] = {}
        self.handlers: dict[int, Any] = {}  # of values, by stream
        self.cleared = 0

    def ca_create_channel(self, _name: bytes, _handler: Any, stream: int, _priority: int, chid: Any) -> int:
        chid._obj.value = stream
        return libca.NORMAL

    def ca_create_subscription(self, _dbr: int, _count: int, _chid: int, mask: int, handler: Any, stream: int, subscription: Any) -> int:
        subscription._obj.value = 1000 + stream
        if mask == libca.VALUE_OR_ALARM:
            self.handlers[stream] = handler
        return libca.NORMAL

    def ca_clear_subscription(self, _subscription: Any) -> int:
        self.cleared += 1
        return libca.NORMAL

    def ca_add_exception_event(self, *_: Any) -> int:
        return libca.NORMAL

    def ca_clear_channel(self, _chid: Any) -> int:
        return libca.NORMAL

    def ca_flush_io(self) -> int:
        return libca.NORMAL

    def ca_puser(self, chid: int) -> int:
        return chid

    def ca_field_type(self, chid: int) -> int:
        return self.types[chid][0]

    def ca_element_count(self, chid: int) -> int:
        return self.types[chid][1]


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    made = Library()
    monkeypatch.setattr(libca, "load", lambda: made)
    return made


def connect(receiver: Callbacks, library: Library, stream: int, kind: FieldType, count: int = 1, *, units: bool = False) -> Any:
    library.types[stream] = kind, count
    pv = receiver.open(stream, f"PV{stream}", units=units)
    receiver._connection_changed(libca.ConnectionArgs(stream, libca.CONNECTION_UP))
    return pv


def event(library: Library, stream: int, raw: bytes, count: int = 1, status: int = libca.NORMAL) -> None:
    """Call the handler of a PV's values as libca does."""
    buffer = ctypes.create_string_buffer(raw, len(raw))
    library.handlers[stream](libca.EventArgs(stream, None, 0, count, ctypes.addressof(buffer) if status == libca.NORMAL else None, status))


def columns(receiver: Callbacks) -> list[ValueColumns]:
    taken = receiver.take()
    return value_columns(taken, times_ns(taken.records))


@pytest.mark.parametrize(
    ("kind", "value", "dtype"),
    [("SHORT", -7, "i2"), ("FLOAT", 0.5, "f4"), ("ENUM", 3, "u2"), ("CHAR", 200, "u1"), ("LONG", -70_000, "i4"), ("DOUBLE", 1e300, "f8")],
)
def test_scalars_are_read_with_alarm_and_time(library: Library, kind: str, value: float, dtype: str) -> None:
    receiver = Callbacks()
    connect(receiver, library, 5, FieldType[kind])
    event(library, 5, struct.pack("<" + HEADS[kind], 4, 1, 100, 7, value))

    taken = receiver.take()
    told = [record for record in taken.records if record["kind"] == Kind.VALUE]

    assert [(r["stream"], r["status"], r["severity"]) for r in told] == [(5, 4, 1)]
    (only,) = value_columns(taken, times_ns(taken.records))
    assert list(only.rows()) == [(5, value, (EPICS_EPOCH_S + 100) * NS_PER_S + 7)]
    assert (only.dtype, only.form) == (dtype, Form.ENUM if kind == "ENUM" else Form.SCALAR)


def test_an_array_has_as_many_elements_as_came(library: Library) -> None:
    receiver = Callbacks()
    connect(receiver, library, 2, FieldType.LONG, count=10)
    for n in (3, 0, 1):
        event(library, 2, struct.pack(f"<hhII{n}i", 0, 0, 1, 0, *range(n)), count=n)

    (only,) = columns(receiver)

    assert [value.tolist() for _, value, _ in only.rows()] == [[0, 1, 2], [], [0]]
    assert only.form is Form.ARRAY


def test_strings_end_at_their_zero_and_arrays_of_them_stay_arrays(library: Library) -> None:
    receiver = Callbacks()
    connect(receiver, library, 1, FieldType.STRING)
    connect(receiver, library, 2, FieldType.STRING, count=5)
    event(library, 1, struct.pack("<hhII40s", 0, 0, 1, 0, b"on\0rubbish"))
    event(library, 2, struct.pack("<hhII40s40s", 0, 0, 1, 0, b"a", b"b" * 40), count=2)
    event(library, 2, struct.pack("<hhII40s", 0, 0, 1, 0, b"c"))

    found = {one.form: [value for _, value, _ in one.rows()] for one in columns(receiver)}

    assert found == {Form.SCALAR: ["on"], Form.ARRAY: [["a", "b" * 40], ["c"]]}


def test_an_update_that_carries_an_error_is_told_and_not_read(library: Library) -> None:
    receiver = Callbacks()
    connect(receiver, library, 9, FieldType.DOUBLE)
    receiver.take()

    event(library, 9, b"", status=368)

    assert [(r["stream"], r["kind"], r["size"]) for r in receiver.take().records] == [(9, Kind.FAILED, 368)]


def test_without_room_updates_are_counted_and_their_pv_is_remembered_once(library: Library) -> None:
    receiver = Callbacks(most=2)
    first, second = (connect(receiver, library, stream, FieldType.LONG) for stream in (1, 2))
    for n in range(3):
        event(library, 1, struct.pack("<hhIIi", 0, 0, n, 0, n))

    assert receiver.take().dropped == 3
    assert (receiver.any_missed(), receiver.any_missed()) == (True, False)
    assert (receiver.has_missed(first), receiver.has_missed(first), receiver.has_missed(second)) == (True, False, False)
    event(library, 1, struct.pack("<hhIIi", 0, 0, 9, 0, 9))
    assert [list(one.value) for one in columns(receiver)] == [[9]]


def test_a_pv_that_comes_back_with_another_type_is_subscribed_anew(library: Library) -> None:
    receiver = Callbacks()
    connect(receiver, library, 1, FieldType.LONG)
    receiver._connection_changed(libca.ConnectionArgs(1, libca.CONNECTION_UP))
    assert library.cleared == 0  # libca renews a subscription by itself
    library.types[1] = FieldType.DOUBLE, 1
    receiver._connection_changed(libca.ConnectionArgs(1, libca.CONNECTION_UP))
    event(library, 1, struct.pack("<" + HEADS["DOUBLE"], 0, 0, 1, 0, 2.5))

    assert library.cleared == 1
    assert [(one.dtype, list(one.value)) for one in columns(receiver)] == [("f8", [2.5])]


@pytest.mark.parametrize(("kind", "at"), [(FieldType.DOUBLE, 8), (FieldType.LONG, 4), (FieldType.ENUM, None)])
def test_a_unit_stands_where_the_type_has_it(library: Library, kind: FieldType, at: int | None) -> None:
    receiver = Callbacks()
    connect(receiver, library, 3, kind, units=True)
    receiver.take()
    raw = ctypes.create_string_buffer(bytes(at or 0) + b"mm/s\0xyz" + bytes(64))
    receiver._properties_changed(libca.EventArgs(3, None, libca.CTRL_FORM + kind, 1, ctypes.addressof(raw), libca.NORMAL))

    (record,) = receiver.take().records

    assert (record["kind"], units_text(record["payload"])) == (Kind.UNITS, "" if at is None else "mm/s")


def test_the_layout_is_that_of_epics_base(library: Library) -> None:
    receiver = Callbacks()
    for stream in (1, 2, 3):
        connect(receiver, library, stream, FieldType.DOUBLE)
    for n in range(1000):
        event(library, 1 + n % 3, struct.pack("<" + HEADS["DOUBLE"], 0, 0, n, 999_999_999, float(n)))

    (only,) = columns(receiver)

    assert np.array_equal(only.value, np.arange(1000.0))
    assert only.timestamp_ns[999] == (EPICS_EPOCH_S + 999) * NS_PER_S + 999_999_999


def test_what_is_open_and_gone_is_let_go_of(library: Library) -> None:
    receiver = Callbacks()
    pv = connect(receiver, library, 1, FieldType.LONG)

    receiver.close(pv)

    assert receiver._pvs == {}
    receiver._connection_changed(libca.ConnectionArgs(1, libca.CONNECTION_UP))  # late
