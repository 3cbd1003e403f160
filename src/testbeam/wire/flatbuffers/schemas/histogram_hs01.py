"""The hs01 message: hs00 with signed integers. Source: hs01_event_histogram.fbs."""

from testbeam.wire.flatbuffers.schemas.histogram_hs00 import HistogramCodec

_HS01 = HistogramCodec(schema="hs01", dtypes=("<i4", "<i8", "<f8", "<f4"), shape_dtype="<i4", length_code="i", time_code="q")

decode_hs01, encode_hs01 = _HS01.decode, _HS01.encode
