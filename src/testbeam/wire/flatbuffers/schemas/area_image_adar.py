"""The ADAr message: the older form of ad00, without a sign in times and dimensions. Source: ADAr_area_detector_array.fbs."""

from testbeam.model.arrays import AreaImage
from testbeam.wire.flatbuffers.codec.tables import NestedVector, Scalar, String, Table, Vector
from testbeam.wire.flatbuffers.schemas.area_image_ad00 import ATTRIBUTE, decode_image, encode_image

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
    return decode_image(buffer, ADAR)


def encode_adar(image: AreaImage) -> bytes:
    """Return the message.

    Raises:
        WireError: image or attributes have a type that ADAr has not, or a value does not fit its field.
    """
    return encode_image(image, ADAR)
