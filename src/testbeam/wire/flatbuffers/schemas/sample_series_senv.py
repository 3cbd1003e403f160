"""The senv message: the older form of se00, of integers and with unsigned times. Source: senv_data.fbs."""

from testbeam.model.samples import IntegerSampleSeries
from testbeam.wire.flatbuffers.schemas.sample_series_se00 import INTEGERS, decode_series, encode_series, table

SENV = table("senv", INTEGERS, "Q")


def decode_senv(buffer: bytes) -> IntegerSampleSeries:
    """Return the samples; the arrays are read-only views into the buffer.

    Raises:
        WireError: the buffer is not a valid senv, has no values, or not as many times as values.
    """
    return decode_series(IntegerSampleSeries, SENV, buffer)


def encode_senv(series: IntegerSampleSeries) -> bytes:
    """Return the message.

    Raises:
        WireError: the values are no integers, there are not as many times as values, or a value does not fit its field.
    """
    return encode_series(SENV, series)
