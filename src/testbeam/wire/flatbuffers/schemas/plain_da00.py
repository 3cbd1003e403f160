"""The da00 message by the table-driven reader and builder: every check is made, nothing is remembered. Source: dataarray_da00.fbs."""

from testbeam.errors import WireError
from testbeam.model.arrays import LabelledArray, Variable
from testbeam.wire.flatbuffers.codec.builder import build
from testbeam.wire.flatbuffers.codec.reader import Values, read
from testbeam.wire.flatbuffers.codec.tables import NestedVector, Scalar, String, StringVector, Table, Vector
from testbeam.wire.flatbuffers.codec.typed_bytes import from_bytes, place_of, to_bytes

_FIRST_TYPE = 1  # the code of int8; 0 is no type

_VARIABLE = Table(
    "variable",
    (
        String("name", 0),
        String("unit", 1, default=None),
        String("label", 2, default=None),
        String("source", 3, default=None),
        Scalar("data_type", 4, "b"),
        StringVector("axes", 5),
        Vector("shape", 6, "<i8"),
        Vector("data", 7, "<u1"),
    ),
    created="source label unit name shape data axes",
    added="name unit label source data_type axes shape data",
)

DA00 = Table(
    "da00",
    (String("source_name", 0), Scalar("timestamp", 1, "q"), NestedVector("data", 2, _VARIABLE, last_first=False)),
    created="data source_name",
    added="source_name timestamp data",
)


def read_da00(buffer: bytes) -> LabelledArray:
    """Return the labelled array of a message; raise as `decode_da00`."""
    source_name, timestamp_ns, rows = read(buffer, DA00)
    return LabelledArray(source_name=source_name, timestamp_ns=timestamp_ns, variables=tuple(map(_variable, rows)))


def build_da00(array: LabelledArray) -> bytes:
    """Return the message of a labelled array; raise as `encode_da00`."""
    return build(DA00, (array.source_name, array.timestamp_ns, tuple(map(_row, array.variables))))


def _variable(row: Values) -> Variable:
    name, unit, label, source, data_type, axes, shape, raw = row
    data = from_bytes("da00", name, data_type - _FIRST_TYPE, raw, shape)
    _check_axes(name, axes, 0 if isinstance(data, str) else data.ndim)
    return Variable(name=name, data=data, axes=axes, unit=unit, label=label, source=source)


def _row(variable: Variable) -> Values:
    raw, shape = to_bytes("da00", variable.name, variable.data)
    _check_axes(variable.name, variable.axes, 0 if isinstance(variable.data, str) else len(shape))
    data_type = _FIRST_TYPE + place_of("da00", variable.name, variable.data)
    return variable.name, variable.unit, variable.label, variable.source, data_type, variable.axes, shape, raw


def _check_axes(name: str, axes: tuple[str, ...], rank: int) -> None:
    if axes and len(axes) != rank:
        raise WireError("da00", f"{name} has {len(axes)} axes and {rank} dimensions")
