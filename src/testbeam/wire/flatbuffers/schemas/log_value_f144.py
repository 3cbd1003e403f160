"""The f144 message: one log value of one source, a number or a 1-D array.

`F144Template` makes many messages of one source fast, `F144Bank` those of many sources at once, `columns_f144` reads many messages at
once. The bytes are those of ess-streaming-data-types for times and values other than 0 (which that library leaves out).
Source: f144_logdata.fbs.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from struct import Struct, unpack_from
from struct import error as StructError  # noqa: N812 - a class, which struct spells in lower case
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from testbeam.errors import WireError
from testbeam.model.samples import LogValue
from testbeam.wire.flatbuffers.codec.builder import build
from testbeam.wire.flatbuffers.codec.reader import read
from testbeam.wire.flatbuffers.codec.tables import Scalar, String, Table, Union, Vector

SCALAR_CODES = ("b", "B", "h", "H", "i", "I", "q", "Q", "f", "d")  # union type 1 is the first
_DTYPES = ("<i1", "<u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f4", "<f8")
SCALAR_TYPES = tuple(map(np.dtype, _DTYPES))
ARRAY_KIND = 10  # an array's union type is that of its element plus this

_SCALARS = {1 + i: Table("value", (Scalar("value", 0, code),)) for i, code in enumerate(SCALAR_CODES)}
_ARRAYS = {1 + ARRAY_KIND + i: Table("value", (Vector("value", 0, dtype),)) for i, dtype in enumerate(_DTYPES)}

F144 = Table(
    "f144",
    (String("source_name", 0), Scalar("timestamp", 1, "q"), Union("value", 3, _SCALARS | _ARRAYS)),
    created="source_name value",
    added="source_name value value_type timestamp",
)

TIMESTAMP_AT = 24
# There are two layouts per number type, by the length of the name. A message that has the very structure bytes of one needs no other
# check but its name's; any other message is read by the table-driven reader, which has the last word.
STRUCTURE = slice(32, 56)  # union type, offsets of value and name, vtable of the value: tells the layouts apart
SHORTEST = 72  # bytes of a message with an empty name; no layout unpacks more


class ScalarLayout(NamedTuple):
    """Where time, value and name stand in a scalar; `unpack` gives head, timestamp, rest of the structure, value, length of the name."""

    unpack: Callable[[bytes], tuple[Any, ...]]
    head: bytes
    rest: bytes
    make: Callable[[Any], Any]  # the scalar type of numpy
    name_at: int  # first character
    value_at: int
    kind: int


def places(message: bytes) -> tuple[int, int]:
    """Return where the value and the length of the name stand in a message that `build` made."""
    name_offset, timestamp_offset, _, value_offset = unpack_from("<4H", message, 12)
    assert message[:4] == b"\x14\0\0\0" and 20 + timestamp_offset == TIMESTAMP_AT, "the builder's f144 has changed"  # noqa: PT018
    name_at = 20 + name_offset + unpack_from("<I", message, 20 + name_offset)[0]
    table = 20 + value_offset + unpack_from("<I", message, 20 + value_offset)[0]
    vtable = table - unpack_from("<i", message, table)[0]
    return table + unpack_from("<H", message, vtable + 4)[0], name_at


def _scalar_layout(kind: int, name: str) -> tuple[bytes, ScalarLayout]:
    message = build(F144, (name, 1, (kind, (1,))))
    value_at, name_at = places(message)
    dtype = SCALAR_TYPES[kind - 1]
    rest = max(0, (value_at & ~3) - STRUCTURE.stop) if dtype.itemsize < 8 else 0
    gap = value_at - STRUCTURE.stop - rest
    after = name_at - value_at - dtype.itemsize
    layout = ScalarLayout(
        unpack=Struct(f"<24sq24x{rest}s{gap}x{SCALAR_CODES[kind - 1]}{after}xI").unpack_from,
        head=message[:TIMESTAMP_AT],
        rest=message[STRUCTURE.stop : STRUCTURE.stop + rest],
        make=dtype.type,
        name_at=name_at + 4,
        value_at=value_at,
        kind=kind,
    )
    return message[STRUCTURE], layout


SCALAR_LAYOUTS = dict(_scalar_layout(1 + i, name) for i in range(len(SCALAR_CODES)) for name in ("", "four"))


class F144Template:
    """The f144 messages of one source with one type and shape: a number (`length` None) or a 1-D array of that length.

    Raises:
        WireError: f144 can't carry the type, or the name is no text.
    """

    __slots__ = ("_before", "_behind", "_between", "_pack", "dtype", "length", "name_at", "value_at")

    def __init__(self, source_name: str, dtype: Any, length: int | None = None) -> None:
        kind = kind_of(dtype)
        self.dtype: np.dtype[Any] = SCALAR_TYPES[kind - 1]
        self.length = length
        value: Any = 0 if length is None else np.zeros(length, self.dtype)
        message = build(F144, (source_name, 0, (kind if length is None else kind + ARRAY_KIND, (value,))))
        self.value_at, self.name_at = places(message)
        if length is not None:
            self.value_at += 4 + int.from_bytes(message[self.value_at : self.value_at + 4], "little")
        size = self.dtype.itemsize * (1 if length is None else length)
        self._before = message[:TIMESTAMP_AT]
        self._between = message[TIMESTAMP_AT + 8 : self.value_at]
        self._behind = message[self.value_at + size :]
        code = SCALAR_CODES[kind - 1] if length is None else f"{size}s"
        self._pack: Callable[..., bytes] = Struct(f"<{len(self._before)}sq{len(self._between)}s{code}{len(self._behind)}s").pack

    @property
    def layout(self) -> tuple[Any, ...]:
        """Return what two templates must share to fill one bank."""
        return self.dtype, self.length, self.value_at, self.name_at, len(self._behind)

    def fill(self, value: Any, timestamp_ns: int) -> bytes:
        """Return the message with this value and time.

        Raises:
            WireError: the value does not fit type or length, or the time does not fit 64 bits.
        """
        if self.length is not None:
            value = self._raw(value)
        try:
            return self._pack(self._before, timestamp_ns, self._between, value, self._behind)
        except (StructError, OverflowError, TypeError) as error:
            raise WireError("f144", f"{value!r} at {timestamp_ns!r} does not fit {self.dtype}: {error}") from None

    def _raw(self, value: Any) -> bytes:
        array = np.asarray(value)
        if array.dtype.newbyteorder("<") != self.dtype or array.shape != (self.length,):
            raise WireError("f144", f"{array.dtype} of shape {array.shape} is no array of {self.length} {self.dtype}")
        return array.astype(self.dtype, copy=False).tobytes()


class F144Bank:
    """The messages of many scalar sources whose templates have one type and layout, filled all at once.

    `name_at` is where the length of the name stands in each, and behind it the name.

    Raises:
        WireError: the templates differ in type or layout.
    """

    __slots__ = ("_fields", "_free", "_messages", "_rows", "_whole", "dtype", "layout", "name_at")

    def __init__(self, templates: Iterable[F144Template]) -> None:
        first, *others = templates or (None,)
        if first is None or first.length is not None:
            raise WireError("f144", "a bank takes the templates of scalars, at least one")
        self.dtype = first.dtype
        self.layout = first.layout
        self.name_at = first.name_at
        size = len(first.fill(0, 0))
        self._whole = np.dtype(f"V{size}")  # a message as one element is copied ten times faster than its bytes
        self._fields = np.dtype(
            {"names": ["time", "value"], "formats": ["<i8", self.dtype], "offsets": [TIMESTAMP_AT, first.value_at], "itemsize": size}
        )
        self._messages = np.zeros(0, self._whole)
        self._rows = 0
        self._free: list[int] = []
        for template in (first, *others):
            self.add(template)

    def add(self, template: F144Template) -> int:
        """Take one more source in; return its place.

        Raises:
            WireError: its template has another type or layout.
        """
        if template.layout != self.layout:
            raise WireError("f144", "a bank takes the templates of scalars of one type and layout")
        row = self._free.pop() if self._free else self._rows
        if row == len(self._messages):
            self._messages = np.concatenate((self._messages, np.zeros(max(16, row), self._whole)))
        self._messages[row] = np.void(template.fill(0, 0))
        self._rows = max(self._rows, row + 1)
        return row

    def remove(self, row: int) -> None:
        """Let go of a source; its place is given to the next."""
        self._free.append(row)

    def fill(self, sources: NDArray[np.integer[Any]], values: NDArray[Any], timestamps_ns: NDArray[np.int64]) -> list[bytes]:
        """Return one message a row; see `fill_rows`."""
        messages: list[bytes] = self.fill_rows(sources, values, timestamps_ns).tolist()
        return messages

    def fill_rows(self, sources: NDArray[np.integer[Any]], values: NDArray[Any], timestamps_ns: NDArray[np.int64]) -> NDArray[np.void]:
        """Return one message a row, (n,) of as many bytes each: the source's place among the templates, its value, its time; all (n,).

        Raises:
            WireError: the values have another type, or the times are no int64.
        """
        if values.dtype != self.dtype or timestamps_ns.dtype != np.int64:
            raise WireError("f144", f"{values.dtype} at {timestamps_ns.dtype} given; this bank takes {self.dtype} at int64")
        rows = self._messages.take(sources)
        fields = rows.view(self._fields)
        fields["time"], fields["value"] = timestamps_ns, values
        return rows

    def keep(self, sources: NDArray[np.integer[Any]], rows: NDArray[np.void]) -> None:
        """Keep messages as the newest of their sources; of several of one source the last one."""
        self._messages[sources] = rows

    def newest(self, row: int) -> bytes:
        """Return the message of a source that was kept last."""
        return bytes(self._messages[row].tobytes())


@lru_cache(maxsize=16_384)
def template(source_name: str, dtype: Any, length: int | None) -> F144Template:
    """Return the template of a source, kept for the next message."""
    return F144Template(source_name, dtype, length)


def kind_of(dtype: Any) -> int:
    """Return the union type of a scalar of this dtype.

    Raises:
        WireError: f144 has none.
    """
    wanted = np.dtype(dtype).newbyteorder("<")
    if wanted not in SCALAR_TYPES:
        raise WireError("f144", f"a value of type {wanted} has no place in it; it takes {', '.join(map(str, SCALAR_TYPES))}")
    return 1 + SCALAR_TYPES.index(wanted)


# The __init__ of a frozen dataclass takes as long as all the rest of decoding.
_new = object.__new__
_set_source_name, _set_value, _set_timestamp = (LogValue.__dict__[name].__set__ for name in ("source_name", "value", "timestamp_ns"))


def decode_f144(buffer: bytes) -> LogValue:
    """Return the log value; an array is a read-only view into the buffer.

    Raises:
        WireError: the buffer is not a valid f144, or has no value.
    """
    layout = SCALAR_LAYOUTS.get(buffer[STRUCTURE])
    if layout is None or len(buffer) < SHORTEST:
        return _decode_any(buffer)
    head, timestamp_ns, rest, value, length = layout.unpack(buffer)
    end = layout.name_at + length
    if head != layout.head or rest != layout.rest or end >= len(buffer) or buffer[end]:
        return _decode_any(buffer)
    try:
        source_name = buffer[layout.name_at : end].decode()
    except UnicodeDecodeError:
        return _decode_any(buffer)
    log_value = _new(LogValue)
    _set_source_name(log_value, source_name)
    _set_value(log_value, layout.make(value))
    _set_timestamp(log_value, timestamp_ns)
    return log_value


def encode_f144(log_value: LogValue) -> bytes:
    """Return the message; the dtype of the value is its type on the wire.

    Raises:
        WireError: the value is no number or 1-D array of one of the ten types.
    """
    value = log_value.value
    if isinstance(value, np.generic):
        number_type: Any = type(value)
        return template(log_value.source_name, number_type, None).fill(value, log_value.timestamp_ns)
    array = np.asarray(value)
    if array.ndim > 1:
        raise WireError("f144", f"a value with {array.ndim} dimensions has no place in it; give a number or a 1-D array")
    length = array.size if array.ndim else None
    return template(log_value.source_name, array.dtype.type, length).fill(array if array.ndim else array.item(), log_value.timestamp_ns)


def _decode_any(buffer: bytes) -> LogValue:
    source_name, timestamp_ns, typed = read(buffer, F144)
    if typed is None:
        raise WireError("f144", "has no value")
    kind, (value,) = typed
    number: Any = value if kind > ARRAY_KIND else SCALAR_TYPES[kind - 1].type(value)
    return LogValue(source_name=source_name, value=number, timestamp_ns=timestamp_ns)
