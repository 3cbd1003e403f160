"""Many da00 messages of one source and shape made fast: a message is built once; after that only time and numbers change.

The bytes are those of ess-streaming-data-types.
"""

from collections.abc import Sequence
from functools import lru_cache
from struct import Struct
from struct import error as StructError  # noqa: N812 - a class, which struct spells in lower case
from typing import Any

import numpy as np

from testbeam.errors import WireError
from testbeam.model.arrays import LabelledArray, Variable
from testbeam.wire.flatbuffers.schemas.layouts_da00 import between, layout_of_message
from testbeam.wire.flatbuffers.schemas.plain_da00 import build_da00, read_da00

_pack_i64 = Struct("<q").pack


class Da00Template:
    """The da00 messages of one source whose variables keep names, units, axes, types and shapes; `variables` are an example.

    Raises:
        WireError: a variable is a text, has a type that da00 has not, or axes that don't fit its shape.
    """

    __slots__ = ("_kinds", "_parts", "_sources", "_timestamp_part")

    def __init__(self, source_name: str, variables: Sequence[Variable]) -> None:
        message = build_da00(LabelledArray(source_name=source_name, timestamp_ns=1, variables=tuple(variables)))
        layout = layout_of_message(message, read_da00(message))
        if any(isinstance(variable.data, str) for variable in variables):
            raise WireError("da00", f"a template of {source_name} takes numbers only, no text")
        free = [(layout.timestamp_at, layout.timestamp_at + 8, -1)]
        free += [(n.start, n.start + n.elements * n.dtype.itemsize, i) for i, n in enumerate(layout.numbers) if n.elements]
        free.sort()
        fixed = between(message, [stretch[:2] for stretch in free])
        self._kinds = [(variable.data.dtype, variable.data.shape) for variable in variables]  # type: ignore[union-attr]  # no text
        self._parts: list[Any] = [b""] * (len(fixed) + len(free))
        self._parts[::2] = [piece for _, piece in fixed]
        self._timestamp_part = 1 + 2 * next(i for i, stretch in enumerate(free) if stretch[2] < 0)
        self._sources = [(1 + 2 * i, stretch[2]) for i, stretch in enumerate(free) if stretch[2] >= 0]

    def fill(self, timestamp_ns: int, data: Sequence[Any]) -> bytes:
        """Return the message with these arrays, one a variable in their order, and this time.

        Raises:
            WireError: an array has another type or shape, or the time does not fit 64 bits.
        """
        parts = self._parts.copy()
        for array, (dtype, shape) in zip(data, self._kinds, strict=True):
            if array.shape != shape or (array.dtype is not dtype and array.dtype != dtype):
                raise WireError("da00", f"{array.dtype} of shape {array.shape} given; this template takes {dtype} of shape {shape}")
        for part, index in self._sources:
            array = data[index]
            parts[part] = array if array.flags.c_contiguous else np.ascontiguousarray(array)
        try:
            parts[self._timestamp_part] = _pack_i64(timestamp_ns)
        except StructError as error:
            raise WireError("da00", f"time {timestamp_ns!r} does not fit: {error}") from None
        return b"".join(parts)


def template_of(array: LabelledArray) -> Da00Template | None:
    """Return the template for arrays such as this one, kept for the next; None where one has a text or no native order of bytes."""
    kinds = []
    for variable in array.variables:
        data = variable.data
        if isinstance(data, str) or not data.dtype.isnative:
            return None
        kinds.append((variable.name, variable.axes, variable.unit, variable.label, variable.source, data.dtype, data.shape))
    return _template(array.source_name, tuple(kinds))


@lru_cache(maxsize=4096)
def _template(source_name: str, kinds: tuple[tuple[Any, ...], ...]) -> Da00Template:
    variables = [
        Variable(name=name, data=np.zeros(shape, dtype), axes=axes, unit=unit, label=label, source=source)
        for name, axes, unit, label, source, dtype, shape in kinds
    ]
    return Da00Template(source_name, variables)
