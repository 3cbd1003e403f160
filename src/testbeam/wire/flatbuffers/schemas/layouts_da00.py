"""Known layouts of da00 messages: where numbers, time and source name stand, and what all the other bytes are.

A message that was read and checked by the table-driven reader teaches its layout. One of the same length whose other bytes are all the
same is valid, too, and its values stand at the same places; every byte is looked at, so nothing is taken on trust.
"""

from dataclasses import dataclass, field
from struct import Struct, unpack_from
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from testbeam.model.arrays import LabelledArray, Variable
from testbeam.wire.flatbuffers.schemas.plain_da00 import read_da00

MAX_LENGTHS = 512
MAX_OF_A_LENGTH = 8
MAX_FIXED = 16_384  # bytes of a layout that is kept; what is not numbers takes some hundred

_I64 = Struct("<q").unpack_from

_new = object.__new__  # the __init__ of a frozen dataclass takes longer than all the rest
_set_source_name, _set_timestamp, _set_variables = (
    LabelledArray.__dict__[name].__set__ for name in ("source_name", "timestamp_ns", "variables")
)
_set_name, _set_data, _set_axes, _set_unit, _set_label, _set_source = (
    Variable.__dict__[name].__set__ for name in ("name", "data", "axes", "unit", "label", "source")
)


class Numbers(NamedTuple):
    """Where the numbers of a variable stand, or what a text is; and all else that is known of it."""

    start: int
    elements: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    constant: NDArray[Any] | str | None  # of an array without elements, or a text
    known: Variable


class Layout(NamedTuple):
    """One layout: `fixed` are the bytes between what may change."""

    fixed: tuple[tuple[slice, bytes], ...]
    timestamp_at: int
    name: slice
    numbers: tuple[Numbers, ...]


@dataclass(slots=True)
class KnownLayouts:
    """The layouts seen so far, by the length of their messages; a bounded number of them."""

    by_length: dict[int, list[Layout]] = field(default_factory=dict)

    def read(self, buffer: bytes) -> LabelledArray | None:
        """Return the value of a message in a known layout, None if the table-driven reader must see it."""
        for layout in self.by_length.get(len(buffer), ()):
            for place, expected in layout.fixed:
                if buffer[place] != expected:
                    break
            else:
                return _value(layout, buffer)
        return None

    def learn(self, buffer: bytes, array: LabelledArray) -> None:
        """Keep the layout of a message that was checked and gave this value."""
        layouts = self.by_length.get(len(buffer), [])
        if len(layouts) >= MAX_OF_A_LENGTH or (not layouts and len(self.by_length) >= MAX_LENGTHS):
            return
        layout = layout_of_message(buffer, array)
        if sum(len(expected) for _, expected in layout.fixed) <= MAX_FIXED and _is_name_alone(buffer, layout.name, array):
            self.by_length.setdefault(len(buffer), layouts).append(layout)


KNOWN = KnownLayouts()


def _is_name_alone(buffer: bytes, name: slice, array: LabelledArray) -> bool:
    """Tell whether no other text stands where the source's name does: a builder may write two equal ones once."""
    other = b"y" if buffer[name.start : name.start + 1] == b"x" else b"x"
    renamed = buffer[: name.start] + other * (name.stop - name.start) + buffer[name.stop :]
    return _texts(read_da00(renamed)) == _texts(array)


def _texts(array: LabelledArray) -> list[tuple[Any, ...]]:
    return [(v.name, v.axes, v.unit, v.label, v.source) for v in array.variables]


def _value(layout: Layout, buffer: bytes) -> LabelledArray | None:
    try:
        source_name = buffer[layout.name].decode()
    except UnicodeDecodeError:
        return None
    array = _new(LabelledArray)
    _set_source_name(array, source_name)
    _set_timestamp(array, _I64(buffer, layout.timestamp_at)[0])
    _set_variables(array, tuple([_variable(buffer, *place) for place in layout.numbers]))
    return array


def _variable(
    buffer: bytes, start: int, elements: int, dtype: Any, shape: tuple[int, ...], constant: NDArray[Any] | str | None, known: Variable
) -> Variable:
    data = constant
    if data is None:
        data = np.frombuffer(buffer, dtype, elements, start)
        if len(shape) != 1:
            data = data.reshape(shape)
    variable = _new(Variable)
    _set_data(variable, data)
    _set_name(variable, known.name)
    _set_axes(variable, known.axes)
    _set_unit(variable, known.unit)
    _set_label(variable, known.label)
    _set_source(variable, known.source)
    return variable


def layout_of_message(buffer: bytes, array: LabelledArray) -> Layout:
    """Return the layout of a message that the table-driven reader read as this value."""
    root = unpack_from("<I", buffer)[0]
    vtable = root - unpack_from("<i", buffer, root)[0]
    size = unpack_from("<H", buffer, vtable)[0]
    slots = unpack_from("<HH", buffer, vtable + 4) if size >= 8 else (0, 0)
    name_at = root + slots[0]
    name_start = name_at + unpack_from("<I", buffer, name_at)[0] + 4 if slots[0] else 0
    name = slice(name_start, name_start + len(array.source_name.encode()))
    timestamp_at = root + slots[1] if slots[1] else 0
    numbers = tuple(_numbers(buffer, variable) for variable in array.variables)
    free = [(name.start, name.stop), (timestamp_at, timestamp_at + 8 if timestamp_at else 0)]
    free += [(n.start, n.start + n.elements * n.dtype.itemsize) for n in numbers]
    return Layout(between(buffer, sorted(one for one in free if one[1] > one[0])), timestamp_at, name, numbers)


def _numbers(buffer: bytes, variable: Variable) -> Numbers:
    data = variable.data
    known = Variable(name=variable.name, data="", axes=variable.axes, unit=variable.unit, label=variable.label, source=variable.source)
    if isinstance(data, str) or not data.size:
        return Numbers(0, 0, np.dtype("<u1"), (), data, known)
    base = np.frombuffer(buffer, np.uint8).__array_interface__["data"][0]
    return Numbers(data.__array_interface__["data"][0] - base, data.size, data.dtype, data.shape, None, known)


def between(buffer: bytes, free: list[tuple[int, int]]) -> tuple[tuple[slice, bytes], ...]:
    """Return the stretches before, between and behind those that may change, which are in order."""
    edges = [0, *(edge for stretch in free for edge in stretch), len(buffer)]
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return tuple((slice(start, stop), buffer[start:stop]) for start, stop in pairs)
