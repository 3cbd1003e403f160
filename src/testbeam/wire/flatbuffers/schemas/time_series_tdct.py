"""The tdct message: a series of times of one source, such as a chopper's top-dead-centres. Source: tdct_timestamps.fbs."""

from testbeam.model.samples import TimeSeries
from testbeam.wire.flatbuffers.codec.builder import build
from testbeam.wire.flatbuffers.codec.reader import read
from testbeam.wire.flatbuffers.codec.tables import Scalar, String, Table, Vector

TDCT = Table("tdct", (String("name", 0), Vector("timestamps", 1, "<u8"), Scalar("sequence_counter", 2, "Q")))


def decode_tdct(buffer: bytes) -> TimeSeries:
    """Return the times, a read-only view into the buffer.

    Raises:
        WireError: the buffer is not a valid tdct.
    """
    source_name, timestamps_ns, sequence_counter = read(buffer, TDCT)
    return TimeSeries(source_name=source_name, timestamps_ns=timestamps_ns, sequence_counter=sequence_counter)


def encode_tdct(series: TimeSeries) -> bytes:
    """Return the message.

    Raises:
        WireError: a value does not fit its field.
    """
    return build(TDCT, (series.source_name, series.timestamps_ns, series.sequence_counter))
