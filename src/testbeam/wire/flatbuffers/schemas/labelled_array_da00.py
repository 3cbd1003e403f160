"""The da00 message: several variables with names, axes and units, as histograms and their coordinates are.

Most messages of a topic differ from one before in numbers, time and source name only: `layouts_da00` reads those at once, and
`template_da00` makes many messages of one shape fast.
Source: dataarray_da00.fbs.
"""

from testbeam.model.arrays import LabelledArray
from testbeam.wire.flatbuffers.schemas.layouts_da00 import KNOWN
from testbeam.wire.flatbuffers.schemas.plain_da00 import build_da00, read_da00
from testbeam.wire.flatbuffers.schemas.template_da00 import template_of


def decode_da00(buffer: bytes) -> LabelledArray:
    """Return the labelled array; its numbers are read-only views into the buffer.

    Raises:
        WireError: the buffer is not a valid da00, or the bytes of a variable don't belong to its type, shape and axes.
    """
    array = KNOWN.read(buffer)
    if array is None:
        array = read_da00(buffer)
        KNOWN.learn(buffer, array)
    return array


def encode_da00(array: LabelledArray) -> bytes:
    """Return the message.

    Raises:
        WireError: a variable has a type that da00 has not, axes that don't fit its shape, or a value that does not fit its field.
    """
    template = template_of(array)
    if template is None:
        return build_da00(array)
    return template.fill(array.timestamp_ns, [variable.data for variable in array.variables])
