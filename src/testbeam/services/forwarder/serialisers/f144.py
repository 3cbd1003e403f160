"""f144 out of a PV's value: numbers and 1-D arrays keep their type, an enum is its index, a bool an int8 of 0 or 1.

An array stays an array whatever its length: a reader that has seen one length must not find a scalar at the next.
"""

from functools import partial
from typing import Any

import numpy as np

from testbeam.errors import WireError
from testbeam.model.updates import Form
from testbeam.services.forwarder.serialisers import Serialise, Source
from testbeam.wire.flatbuffers.schemas.log_value_f144 import F144Template, kind_of, template

BOOL_AS = "i1"

_NO_NUMBERS = {"U": "text", "O": "a value of several types"}


def f144(source: Source, form: Form, dtype: str) -> Serialise:
    """Return what serialises the values of one PV of this kind.

    Raises:
        WireError: f144 has no place for this kind.
    """
    if dtype in _NO_NUMBERS:
        raise WireError("f144", f"{_NO_NUMBERS[dtype]} has no place in it; it takes numbers, enums and 1-D arrays of numbers")
    number = BOOL_AS if dtype == "?" else dtype
    if form in (Form.SCALAR, Form.ENUM):
        return F144Template(source.name, number).fill
    if form is Form.ARRAY:
        kind_of(number)
        return partial(_array, source.name, number)
    raise WireError("f144", f"an {form.value} has no place in it; it takes numbers, enums and 1-D arrays of numbers")


def _array(source_name: str, dtype: str, value: Any, timestamp_ns: int) -> bytes:
    array = np.asarray(value, dtype) if dtype == BOOL_AS else value
    return template(source_name, dtype, len(array)).fill(array, timestamp_ns)
