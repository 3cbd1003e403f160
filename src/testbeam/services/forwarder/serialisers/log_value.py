"""How does a PV's value become an f144? Numbers and 1-D arrays keep their type, an enum is its index.

An array stays an array whatever its length: a reader that has seen one length must not find a scalar at the next.
"""

from functools import partial
from typing import Any

from testbeam.errors import WireError
from testbeam.model.updates import Form
from testbeam.services.forwarder.serialisers.seam import Serialise
from testbeam.wire.flatbuffers.schemas.template_f144 import F144Template, kind_of, template

_NO_NUMBERS = {"U": "text", "?": "bool", "O": "a value of several types"}


def f144(source_name: str, form: Form, dtype: str) -> Serialise:
    """Return what serialises the values of one PV of this kind.

    Raises:
        WireError: f144 has no place for this kind.
    """
    if dtype in _NO_NUMBERS:
        raise WireError("f144", f"{_NO_NUMBERS[dtype]} has no place in it; it takes numbers, enums and 1-D arrays of numbers")
    if form in (Form.SCALAR, Form.ENUM):
        return F144Template(source_name, dtype).fill
    if form is Form.ARRAY:
        kind_of(dtype)
        return partial(_array, source_name, dtype)
    raise WireError("f144", f"an {form.value} has no place in it; it takes numbers, enums and 1-D arrays of numbers")


def _array(source_name: str, dtype: str, value: Any, timestamp_ns: int) -> bytes:
    return template(source_name, dtype, len(value)).fill(value, timestamp_ns)
