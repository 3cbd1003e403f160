"""The ev44 message: neutron events of one source, by pulse.

Which arrays must be of one length is part of the schema and checked here. Whether the indices of the pulses are in order and
in range is not, as no reader comes to harm: `index_problem` tells. `columns_ev44` reads many messages at once.
Source: ev44_events.fbs.
"""

from struct import error as StructError  # noqa: N812 - a class, which struct spells in lower case
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbeam.errors import WireError
from testbeam.model.samples import Events
from testbeam.wire.flatbuffers.codec.reader import read
from testbeam.wire.flatbuffers.codec.tables import Vector
from testbeam.wire.flatbuffers.codec.vectors import exact
from testbeam.wire.flatbuffers.schemas.layouts_ev44 import EV44, I4, I8, assemble, locate

_TIMES, _INDEX, _TIME_OF_FLIGHT, _PIXEL_ID = (field for field in EV44.fields if isinstance(field, Vector))

_new = object.__new__  # the __init__ of a frozen dataclass takes as long as all the rest of decoding
_set_name, _set_id, _set_times, _set_index, _set_time_of_flight, _set_pixel_id = (
    Events.__dict__[name].__set__
    for name in ("source_name", "message_id", "reference_time_ns", "reference_time_index", "time_of_flight_ns", "pixel_id")
)


def decode_ev44(buffer: bytes) -> Events:
    """Return the events; the arrays are read-only views into the buffer.

    Raises:
        WireError: the buffer is not a valid ev44, or its arrays don't belong together.
    """
    places = locate(buffer)
    if places is None:
        return _decode_any(buffer)
    message_id, pixel_id, pixels, time_of_flight, events, index, indices, reference_time, pulses, name, end = places
    check_lengths(pulses, indices, events, pixels)
    words = np.frombuffer(buffer, I4)
    value = _new(Events)
    _set_name(value, decode_name(buffer[name:end]))
    _set_id(value, message_id)
    _set_times(value, np.frombuffer(buffer, I8, pulses, reference_time))
    _set_index(value, words[index >> 2 : (index >> 2) + indices])
    _set_time_of_flight(value, words[time_of_flight >> 2 : (time_of_flight >> 2) + events])
    _set_pixel_id(value, words[pixel_id >> 2 : (pixel_id >> 2) + pixels])
    return value


def encode_ev44(events: Events) -> bytes:
    """Return the message.

    Raises:
        WireError: a value does not fit its field, or the arrays don't belong together.
    """
    reference_time, index = _array(events.reference_time_ns, _TIMES, I8), _array(events.reference_time_index, _INDEX, I4)
    time_of_flight, pixel_id = _array(events.time_of_flight_ns, _TIME_OF_FLIGHT, I4), _array(events.pixel_id, _PIXEL_ID, I4)
    check_lengths(reference_time.size, index.size, time_of_flight.size, pixel_id.size)
    try:
        return assemble(events.source_name.encode(), events.message_id, reference_time, index, time_of_flight, pixel_id)
    except (StructError, UnicodeEncodeError) as error:
        raise WireError("ev44", f"can't be encoded: {error}") from None


def index_problem(events: Events) -> str | None:
    """Return what is wrong with the pulses' first events, None if they are in order and none lies beyond the events."""
    index = events.reference_time_index
    if index.size and (index[0] < 0 or index[-1] > len(events.time_of_flight_ns)):
        return f"reference_time_index reaches from {index[0]} to {index[-1]} with {len(events.time_of_flight_ns)} events"
    if index.size > 1 and bool((index[1:] < index[:-1]).any()):
        return "reference_time_index goes down"
    return None


def check_lengths(pulses: int, indices: int, events: int, pixels: int) -> None:
    """Check that there is an index a pulse, and a pixel id an event or none at all.

    Raises:
        WireError: it is not so.
    """
    if pulses != indices:
        raise WireError("ev44", f"{pulses} reference times with {indices} indices")
    if pixels != events and pixels:
        raise WireError("ev44", f"{pixels} pixel ids with {events} times of flight")


def decode_name(raw: bytes) -> str:
    """Return the text of a source's name.

    Raises:
        WireError: it is not UTF-8.
    """
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise WireError("ev44", f"source_name is not UTF-8: {error.reason} at byte {error.start}") from None


def _array(values: NDArray[Any], field: Vector, dtype: np.dtype[Any]) -> NDArray[Any]:
    if type(values) is np.ndarray and values.dtype is dtype and values.ndim == 1 and values.flags.c_contiguous:
        return values
    try:
        return exact(field.name, field.dtype, values)
    except ValueError as error:
        raise WireError("ev44", str(error)) from None


def _decode_any(buffer: bytes) -> Events:
    source_name, message_id, times, index, time_of_flight, pixel_id = read(buffer, EV44)
    check_lengths(len(times), len(index), len(time_of_flight), len(pixel_id))
    return Events(
        source_name=source_name,
        message_id=message_id,
        reference_time_ns=times,
        reference_time_index=index,
        time_of_flight_ns=time_of_flight,
        pixel_id=pixel_id,
    )
