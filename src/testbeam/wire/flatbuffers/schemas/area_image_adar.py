"""The ADAr message: the older form of ad00. Source: ADAr_area_detector_array.fbs."""

from testbeam.model.arrays import AreaImage
from testbeam.wire.flatbuffers.codec.builder import build
from testbeam.wire.flatbuffers.codec.reader import read
from testbeam.wire.flatbuffers.codec.tables import NestedVector, Scalar, String, Table, Vector
from testbeam.wire.flatbuffers.codec.typed_bytes import from_bytes, place_of, to_bytes
from testbeam.wire.flatbuffers.schemas.area_image_ad00 import ATTRIBUTE, attribute_of, row_of

ADAR = Table(
    "ADAr",
    (
        String("source_name", 0),
        Scalar("id", 1, "i"),
        Scalar("timestamp", 2, "Q"),
        Vector("dimensions", 3, "<u8"),
        Scalar("data_type", 4, "b"),
        Vector("data", 5, "<u1"),
        NestedVector("attributes", 6, ATTRIBUTE, last_first=False),
    ),
    created="dimensions data source_name attributes",
    added="source_name data_type dimensions id data timestamp attributes",
)


def decode_adar(buffer: bytes) -> AreaImage:
    """Return the image; its numbers are read-only views into the buffer.

    Raises:
        WireError: the buffer is not a valid ADAr, or its bytes don't belong to its type and dimensions.
    """
    source_name, unique_id, timestamp_ns, dimensions, data_type, raw, attributes = read(buffer, ADAR)
    return AreaImage(
        source_name=source_name,
        unique_id=unique_id,
        timestamp_ns=timestamp_ns,
        data=from_bytes("ADAr", "the image", data_type, raw, dimensions),
        attributes=tuple(map(attribute_of, attributes)),
    )


def encode_adar(image: AreaImage) -> bytes:
    """Return the message.

    Raises:
        WireError: image or attributes have a type that ADAr has not, or a value does not fit its field.
    """
    raw, shape = to_bytes("ADAr", "the image", image.data)
    kind = place_of("ADAr", "the image", image.data)
    return build(ADAR, (image.source_name, image.unique_id, image.timestamp_ns, shape, kind, raw, tuple(map(row_of, image.attributes))))
