"""The hs00 message: one histogram of events with the edges of its bins. Source: hs00_event_histogram.fbs."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from testbeam.errors import WireError
from testbeam.model.arrays import Histogram, HistogramAxis
from testbeam.wire.flatbuffers.codec.builder import build
from testbeam.wire.flatbuffers.codec.reader import Values, read
from testbeam.wire.flatbuffers.codec.tables import NestedVector, Scalar, String, Table, Union, Vector
from testbeam.wire.flatbuffers.codec.typed_bytes import checked_shape


@dataclass(frozen=True)
class HistogramCodec:
    """hs00 or hs01, which differ in their integers: `dtypes` are those of the arrays, by the union's type from 1 on."""

    schema: str
    dtypes: tuple[str, ...]
    shape_dtype: str
    length_code: str
    time_code: str

    @cached_property
    def table(self) -> Table:
        """Return the table of the message."""
        arrays = {1 + i: Table("array", (Vector("value", 0, dtype),)) for i, dtype in enumerate(self.dtypes)}
        dimension = Table(
            "dimension",
            (Scalar("length", 0, self.length_code), String("unit", 1), String("label", 2), Union("bin_boundaries", 4, arrays)),
            created="unit label bin_boundaries",
            added="length bin_boundaries bin_boundaries_type label unit",
        )
        return Table(
            self.schema,
            (
                String("source", 0),
                Scalar("timestamp", 1, self.time_code),
                NestedVector("dim_metadata", 2, dimension, last_first=False),
                Scalar("last_metadata_timestamp", 3, self.time_code),
                Vector("current_shape", 4, self.shape_dtype),
                Vector("offset", 5, self.shape_dtype),
                Union("data", 7, arrays),
                Union("errors", 9, arrays),
                String("info", 10),
            ),
            created="source info current_shape dim_metadata data errors offset",
            added="info data current_shape dim_metadata timestamp source data_type errors errors_type last_metadata_timestamp offset",
        )

    def decode(self, buffer: bytes) -> Histogram:
        """Return the histogram; its arrays are read-only views into the buffer.

        Raises:
            WireError: the buffer is not a valid message of the schema, or its numbers don't belong to its shape.
        """
        source_name, timestamp_ns, axes, last_ns, dims, offset, data, errors, info = read(buffer, self.table)
        if data is None:
            raise WireError(self.schema, "has no data")
        return Histogram(
            source_name=source_name,
            timestamp_ns=timestamp_ns,
            axes=tuple(map(_axis, axes)),
            data=self._shaped("data", data, dims),
            errors=None if errors is None else self._shaped("errors", errors, dims),
            last_metadata_timestamp_ns=last_ns,
            info=info,
            offset=tuple(offset.tolist()),
        )

    def encode(self, histogram: Histogram) -> bytes:
        """Return the message.

        Raises:
            WireError: the schema has no such type, or a value does not fit its field.
        """
        h = histogram
        axes = tuple((axis.length, axis.unit, axis.label, self._typed("edges", axis.edges)) for axis in h.axes)
        errors = None if h.errors is None else self._typed("errors", h.errors)
        shape, offset, data = np.array(h.data.shape, np.int64), h.offset or None, self._typed("data", h.data)
        times = h.timestamp_ns, h.last_metadata_timestamp_ns
        return build(self.table, (h.source_name, times[0], axes, times[1], shape, offset, data, errors, h.info))

    def _shaped(self, name: str, typed: tuple[int, Values], dims: Any) -> Any:
        _kind, (values,) = typed
        shape = checked_shape(self.schema, name, dims.astype(np.int64), values.size)
        return values.reshape(shape)

    def _typed(self, name: str, values: Any) -> tuple[int, Values]:
        dtype = values.dtype.newbyteorder("<").str
        if dtype not in self.dtypes:
            raise WireError(self.schema, f"{name} of type {values.dtype} have no place in it; it takes {', '.join(self.dtypes)}")
        return 1 + self.dtypes.index(dtype), (np.ravel(values),)


def _axis(row: Values) -> HistogramAxis:
    length, unit, label, edges = row
    return HistogramAxis(length=length, edges=_NO_EDGES if edges is None else edges[1][0], unit=unit, label=label)


_NO_EDGES = np.empty(0, np.float64)
_HS00 = HistogramCodec(schema="hs00", dtypes=("<u4", "<u8", "<f8", "<f4"), shape_dtype="<u4", length_code="I", time_code="Q")

decode_hs00, encode_hs00 = _HS00.decode, _HS00.encode
