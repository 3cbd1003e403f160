"""The ev44 message: neutron events of one source, by pulse; and its layouts as ess-streaming-data-types builds them.

A message that has the very beginning of one of its two layouts, with its arrays and name one after the other inside the buffer, needs no
other check; any other message is read by the table-driven reader, which has the last word.
Which arrays must be of one length is part of the schema and checked here. Whether the indices of the pulses are in order and
in range is not, as no reader comes to harm: `index_problem` tells. `columns_ev44` reads many messages at once.
Source: ev44_events.fbs.
"""

from struct import Struct, pack, unpack_from
from struct import error as StructError  # noqa: N812 - a class, which struct spells in lower case
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from testbeam.errors import WireError
from testbeam.model.samples import Events
from testbeam.wire.flatbuffers.codec.builder import build
from testbeam.wire.flatbuffers.codec.reader import read
from testbeam.wire.flatbuffers.codec.tables import Scalar, String, Table, Vector
from testbeam.wire.flatbuffers.codec.vectors import exact

I4 = np.dtype("<i4")
I8 = np.dtype("<i8")

EV44 = Table(
    "ev44",
    (
        String("source_name", 0),
        Scalar("message_id", 1, "q"),
        Vector("reference_time", 2, "<i8"),
        Vector("reference_time_index", 3, "<i4"),
        Vector("time_of_flight", 4, "<i4"),
        Vector("pixel_id", 5, "<i4"),
    ),
    created="source_name reference_time reference_time_index time_of_flight pixel_id",
    added="reference_time reference_time_index time_of_flight pixel_id message_id source_name",
)

_HEAD = slice(0, 28)  # root offset, schema id, vtable, and the table's offset to it
_SOURCE = 28  # where the offset of the name stands; then message_id, and the offsets of the arrays
_U32 = Struct("<I").unpack_from
_pack_u32 = Struct("<I").pack

_Array: TypeAlias = NDArray[Any]

# message_id; then place of the first element and count of pixel_id, time_of_flight, reference_time_index, reference_time;
# then first and last place of the name
Places: TypeAlias = tuple[int, int, int, int, int, int, int, int, int, int, int]


class _Layout(NamedTuple):
    """One of the two layouts: they differ in four bytes of padding behind message_id."""

    head: bytes
    table: Struct  # offset of the name, message_id, offsets of the arrays
    pixel_id_at: int  # where the offset of pixel_id stands; the other arrays' follow


def _layout(pulses: int) -> _Layout:
    nothing = np.empty(0, I4)
    message = build(EV44, ("", 1, np.zeros(pulses, I8), np.zeros(pulses, I4), nothing, nothing))
    source, message_id, reference_time, index, time_of_flight, pixel_id = unpack_from("<6H", message, 12)
    expected = (4, 8, pixel_id + 12, pixel_id + 8, pixel_id + 4)
    assert (source, message_id, reference_time, index, time_of_flight) == expected, "the builder's ev44 has changed"
    return _Layout(message[_HEAD], Struct(f"<Iq{pixel_id - 16}x4I"), 24 + pixel_id)


_PADDING_TO_LAYOUT = {layout.pixel_id_at - 40: layout for layout in map(_layout, (0, 1))}
_LAYOUTS = {layout.head: (layout.table.unpack_from, layout.pixel_id_at) for layout in _PADDING_TO_LAYOUT.values()}
HEADS = tuple((layout.head, layout.pixel_id_at) for layout in _PADDING_TO_LAYOUT.values())
"""What each layout begins with, and where the offset of its pixel ids stands; the other arrays' follow."""


def assemble(name: bytes, message_id: int, reference_time: _Array, index: _Array, time_of_flight: _Array, pixel_id: _Array) -> bytes:
    """Return the message; the arrays are 1-D, contiguous and of the types of the schema."""
    length = len(name)
    ending = pack(f"<I{length}s{4 - length % 4}x", length, name)
    times = reference_time.size
    gap = -len(ending) % 8  # the times are 8-byte numbers
    behind_table = 16 + pixel_id.nbytes + time_of_flight.nbytes + index.nbytes + 8 * times + gap + len(ending)
    head, table, at = _PADDING_TO_LAYOUT[-behind_table % 8]
    pixel_id_at = at + 16
    time_of_flight_at = pixel_id_at + 4 + pixel_id.nbytes
    index_at = time_of_flight_at + 4 + time_of_flight.nbytes
    reference_time_at = index_at + 4 + index.nbytes
    name_at = reference_time_at + 4 + 8 * times + gap
    offsets = pixel_id_at - at, time_of_flight_at - at - 4, index_at - at - 8, reference_time_at - at - 12
    return b"".join(
        (
            head,
            table.pack(name_at - _SOURCE, message_id, *offsets),
            *(_pack_u32(pixel_id.size), pixel_id.data),
            *(_pack_u32(time_of_flight.size), time_of_flight.data),
            *(_pack_u32(index.size), index.data),
            *(_pack_u32(times), reference_time.data),
            bytes(gap),
            ending,
        )
    )


def locate(buffer: bytes) -> Places | None:
    """Return the verified places of an ev44 in a known layout, None if another reader must see it."""
    layout = _LAYOUTS.get(buffer[_HEAD])
    size = len(buffer)
    if layout is None or size < 80 or size % 4:
        return None
    unpack, at = layout
    source, message_id, pixel_id, time_of_flight, index, reference_time = unpack(buffer, _SOURCE)
    source += _SOURCE
    pixel_id += at
    time_of_flight += at + 4
    index += at + 8
    reference_time += at + 12
    if not at + 16 <= pixel_id < time_of_flight < index < reference_time < source <= size - 5:
        return None
    if (pixel_id | time_of_flight | index | source) & 3 or reference_time & 7 != 4:
        return None
    pixels, events, indices = _U32(buffer, pixel_id)[0], _U32(buffer, time_of_flight)[0], _U32(buffer, index)[0]
    pulses, length = _U32(buffer, reference_time)[0], _U32(buffer, source)[0]
    pixel_id += 4
    time_of_flight += 4
    index += 4
    reference_time += 4
    source += 4
    end = source + length
    if pixel_id + 4 * pixels >= time_of_flight or time_of_flight + 4 * events >= index or index + 4 * indices >= reference_time:
        return None
    if reference_time + 8 * pulses >= source or end >= size or buffer[end]:
        return None
    return message_id, pixel_id, pixels, time_of_flight, events, index, indices, reference_time, pulses, source, end


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
