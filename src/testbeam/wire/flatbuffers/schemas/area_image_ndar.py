"""The NDAr message: an image as the areaDetector plug-in of EPICS sent it before ADAr; it names no source.

Source: NDAr_NDArray_schema.fbs.
"""

from struct import Struct
from struct import error as StructError  # noqa: N812 - a class, which struct spells in lower case

from testbeam.errors import WireError
from testbeam.model.arrays import AreaImage
from testbeam.model.time import EPICS_EPOCH_S, NS_PER_MS, NS_PER_S
from testbeam.wire.flatbuffers.codec.builder import build
from testbeam.wire.flatbuffers.codec.reader import read
from testbeam.wire.flatbuffers.codec.tables import Scalar, Table, Vector
from testbeam.wire.flatbuffers.codec.typed_bytes import from_bytes, place_of, to_bytes

SOURCE = "ADPluginKafka"
"""The name under which the facility's file-writer knows every NDAr."""

_EPICS_TIME = Struct("<2i")  # seconds since 1990, and ns
_NO_TIME = bytes(8)
_MS_SINCE_1970 = 1e11  # larger time stamps than this are not seconds: ess-streaming-data-types writes ms since 1970

NDAR = Table(
    "NDAr",
    (
        Scalar("id", 0, "i"),
        Scalar("timeStamp", 1, "d", 0.0),
        Scalar("epicsTS", 2, "8s", _NO_TIME),
        Vector("dims", 3, "<u8"),
        Scalar("dataType", 4, "b"),
        Vector("pData", 5, "<u1"),
    ),
    created="dims pData",
    added="dataType dims id pData timeStamp epicsTS",
)


def decode_ndar(buffer: bytes) -> AreaImage:
    """Return the image; its numbers are read-only views into the buffer, its attributes are left out.

    Raises:
        WireError: the buffer is not a valid NDAr, or its bytes don't belong to its type and dimensions.
    """
    unique_id, time_stamp, epics_time, dims, data_type, raw = read(buffer, NDAR)
    data = from_bytes("NDAr", "the image", data_type, raw, dims)
    return AreaImage(source_name=SOURCE, unique_id=unique_id, timestamp_ns=_time_ns(time_stamp, epics_time), data=data)


def encode_ndar(image: AreaImage) -> bytes:
    """Return the message.

    Raises:
        WireError: the image has a source of another name or a type that NDAr has not, or a value does not fit its field.
    """
    if image.source_name != SOURCE or image.attributes:
        raise WireError("NDAr", f"has no room for the source {image.source_name!r} and for attributes; the source is always {SOURCE}")
    raw, shape = to_bytes("NDAr", "the image", image.data)
    kind = place_of("NDAr", "the image", image.data)
    seconds, ns = divmod(image.timestamp_ns - EPICS_EPOCH_S * NS_PER_S, NS_PER_S)
    try:
        epics_time = _EPICS_TIME.pack(seconds, ns)
    except StructError as error:
        raise WireError("NDAr", f"timestamp {image.timestamp_ns} can't be encoded: {error}") from None
    return build(NDAR, (image.unique_id, seconds + ns / NS_PER_S, epics_time, shape, kind, raw))


def _time_ns(time_stamp: float, epics_time: bytes) -> int:
    """Return ns since 1970; 0 where the message has no time that can be one."""
    if epics_time != _NO_TIME:
        seconds, ns = _EPICS_TIME.unpack(epics_time)
        return int((EPICS_EPOCH_S + seconds) * NS_PER_S + ns)
    if not 0 < time_stamp < 2**63 / NS_PER_MS:
        return 0
    return int(time_stamp * NS_PER_MS) if time_stamp > _MS_SINCE_1970 else int((EPICS_EPOCH_S + time_stamp) * NS_PER_S)
