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
    source_name, unique_id, timestamp_ns, dimensions, data_type, raw, attributes = read(buffer, AD00)
    return AreaImage(
        source_name=source_name,
        unique_id=unique_id,
        timestamp_ns=timestamp_ns,
        data=from_bytes("ad00", "the image", data_type, raw, dimensions),
        attributes=tuple(map(attribute_of, attributes)),
    )


def encode_ad00(image: AreaImage) -> bytes:
    """Return the message.

    Raises:
        WireError: image or attributes have a type that ad00 has not, or a value does not fit its field.
    """
    raw, shape = to_bytes("ad00", "the image", image.data)
    kind = place_of("ad00", "the image", image.data)
    attributes = tuple(map(row_of, image.attributes))
    return build(AD00, (image.source_name, image.unique_id, image.timestamp_ns, shape, kind, raw, attributes))


def attribute_of(row: Values) -> ImageAttribute:
    """Return an attribute from the values of its table; raise as `decode_ad00`."""
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


def row_of(attribute: ImageAttribute) -> Values:
    """Return the values of an attribute's table; raise as `encode_ad00`."""
    raw, _ = to_bytes("ad00", attribute.name, attribute.data)
    kind = place_of("ad00", attribute.name, attribute.data)
    return attribute.name, attribute.description, attribute.source, kind, raw
