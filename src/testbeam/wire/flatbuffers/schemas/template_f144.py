"""How are many f144 messages of known sources made fast? A message is built once; after that only time and value change.

The bytes are those of ess-streaming-data-types for times and values other than 0 (which that library leaves out).
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from struct import Struct
from struct import error as StructError  # noqa: N812 - a class, which struct spells in lower case
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbeam.errors import WireError
from testbeam.wire.flatbuffers.codec.builder import build
from testbeam.wire.flatbuffers.schemas.layouts_f144 import TIMESTAMP_AT, places
from testbeam.wire.flatbuffers.schemas.schema_f144 import ARRAY_KIND, F144, SCALAR_CODES, SCALAR_TYPES


class F144Template:
    """The f144 messages of one source with one type and shape: a number (`length` None) or a 1-D array of that length.

    Raises:
        WireError: f144 can't carry the type, or the name is no text.
    """

    __slots__ = ("_before", "_behind", "_between", "_pack", "dtype", "length", "value_at")

    def __init__(self, source_name: str, dtype: Any, length: int | None = None) -> None:
        kind = kind_of(dtype)
        self.dtype: np.dtype[Any] = SCALAR_TYPES[kind - 1]
        self.length = length
        value: Any = 0 if length is None else np.zeros(length, self.dtype)
        message = build(F144, (source_name, 0, (kind if length is None else kind + ARRAY_KIND, (value,))))
        self.value_at, _ = places(message)
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
        return self.dtype, self.length, self.value_at, len(self._behind)

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

    Raises:
        WireError: the templates differ in type or layout.
    """

    __slots__ = ("_rows", "_size", "_value", "dtype")

    def __init__(self, templates: Sequence[F144Template]) -> None:
        if len({t.layout for t in templates}) != 1 or templates[0].length is not None:
            raise WireError("f144", "a bank takes the templates of scalars of one type and layout, at least one")
        self.dtype = templates[0].dtype
        self._value = slice(templates[0].value_at, templates[0].value_at + self.dtype.itemsize)
        messages = [t.fill(0, 0) for t in templates]
        self._size = len(messages[0])
        self._rows = np.frombuffer(b"".join(messages), np.uint8).reshape(len(messages), self._size)

    def fill(self, sources: NDArray[np.integer[Any]], values: NDArray[Any], timestamps_ns: NDArray[np.int64]) -> list[bytes]:
        """Return one message a row: the source's place among the templates, its value, its time.

        Raises:
            WireError: the values have another type, or the times are no int64.
        """
        if values.dtype != self.dtype or timestamps_ns.dtype != np.int64:
            raise WireError("f144", f"{values.dtype} at {timestamps_ns.dtype} given; this bank takes {self.dtype} at int64")
        rows = self._rows[sources]
        rows[:, TIMESTAMP_AT : TIMESTAMP_AT + 8] = np.ascontiguousarray(timestamps_ns).view(np.uint8).reshape(-1, 8)
        rows[:, self._value] = np.ascontiguousarray(values).view(np.uint8).reshape(-1, self.dtype.itemsize)
        messages: list[bytes] = rows.view(f"V{self._size}").ravel().tolist()
        return messages


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
