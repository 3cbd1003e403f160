"""The ad00 message: one image of an area detector, with attributes. Source: area_detector_ad00.fbs."""

from typing import Any

from testbeam.errors import WireError
from testbeam.model.arrays import AreaImage, ImageAttribute
from testbeam.wire.flatbuffers.codec.builder import build
from testbeam.wire.flatbuffers.codec.reader import Values, read
from testbeam.wire.flatbuffers.codec.tables import NestedVector, Scalar, String, Table, Vector
from testbeam.wire.flatbuffers.codec.typed_bytes import DTYPES, TEXT, from_bytes, place_of, text, to_bytes

ATTRIBUTE = Table(
    "attribute",
    (String("name", 0), String("description", 1), String("source", 2), Scalar("data_type", 3, "b"), Vector("data", 4, "<u1")),
    created="name description source data",
    added="name description source data_type data",
)

AD00 = Table(
    "ad00",
    (
        String("source_name", 0),
        Scalar("id", 1, "i"),
        Scalar("timestamp", 2, "q"),
        Vector("dimensions", 3, "<i8"),
        Scalar("data_type", 4, "b"),
        Vector("data", 5, "<u1"),
        NestedVector("attributes", 6, ATTRIBUTE, last_first=False),
    ),
    created="dimensions data source_name attributes",
    added="source_name data_type dimensions id data timestamp attributes",
)


def decode_ad00(buffer: bytes) -> AreaImage:
    """Return the image; its numbers are read-only views into the buffer.

    Raises:
        WireError: the buffer is not a valid ad00, or its bytes don't belong to its type and dimensions.
    """
    return decode_image(buffer, AD00)


def encode_ad00(image: AreaImage) -> bytes:
    """Return the message.

    Raises:
        WireError: image or attributes have a type that ad00 has not, or a value does not fit its field.
    """
    return encode_image(image, AD00)


def decode_image(buffer: bytes, table: Table) -> AreaImage:
    """Return the image in a message of ad00 or an older form of it; raise as `decode_ad00`."""
    source_name, unique_id, timestamp_ns, dimensions, data_type, raw, attributes = read(buffer, table)
    return AreaImage(
        source_name=source_name,
        unique_id=unique_id,
        timestamp_ns=timestamp_ns,
        data=from_bytes(table.name, "the image", data_type, raw, dimensions),
        attributes=tuple(map(_attribute, attributes)),
    )


def encode_image(image: AreaImage, table: Table) -> bytes:
    """Return the message in the form of a table; raise as `encode_ad00`."""
    raw, shape = to_bytes(table.name, "the image", image.data)
    kind = place_of(table.name, "the image", image.data)
    return build(table, (image.source_name, image.unique_id, image.timestamp_ns, shape, kind, raw, tuple(map(_row, image.attributes))))


def _attribute(row: Values) -> ImageAttribute:
    name, description, source, data_type, raw = row
    return ImageAttribute(name=name, description=description, source=source, data=_attribute_data(name, data_type, raw))


def _attribute_data(name: str, kind: int, raw: Any) -> Any:
    """Return the data of an attribute, which has no shape: a number alone is one, several are a list."""
    if kind == TEXT:
        return text("ad00", name, raw.tobytes())
    if not 0 <= kind < TEXT or raw.size % DTYPES[kind].itemsize:
        raise WireError("ad00", f"attribute {name} of type {kind} has {raw.size} bytes, which are no numbers of a known type")
    numbers = raw.view(DTYPES[kind]) if raw.size else raw.astype(DTYPES[kind])
    return numbers.reshape(()) if numbers.size == 1 else numbers


def _row(attribute: ImageAttribute) -> Values:
    raw, _ = to_bytes("ad00", attribute.name, attribute.data)
    kind = place_of("ad00", attribute.name, attribute.data)
    return attribute.name, attribute.description, attribute.source, kind, raw
