"""Decoded message of a topic: where it lies, what it says, and whether it is the one that is looked for."""

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from testbeam.errors import WireError
from testbeam.model.arrays import AreaImage, LabelledArray
from testbeam.model.forwarding import ForwarderCommand
from testbeam.model.runs import CommandAnswer, RunStart, RunStop, WritingFinished
from testbeam.model.samples import (
    Alarm,
    AlarmedLogValue,
    ConnectionChange,
    ConnectionState,
    Events,
    IntegerSampleSeries,
    LogValue,
    SampleSeries,
    Severity,
    TimeSeries,
    UnitsChange,
)
from testbeam.model.status import ServiceStatus
from testbeam.wire.flatbuffers import registry

if TYPE_CHECKING:
    from confluent_kafka import Message

_SCHEMAS: dict[type, str] = {
    LogValue: "f144",
    Alarm: "al00",
    AlarmedLogValue: "f142",
    IntegerSampleSeries: "senv",
    SampleSeries: "se00",
    TimeSeries: "tdct",
    UnitsChange: "un00",
    AreaImage: "ad00",
    LabelledArray: "da00",
    ConnectionChange: "ep01",
    Events: "ev44",
    RunStart: "pl72",
    RunStop: "6s4t",
    CommandAnswer: "answ",
    WritingFinished: "wrdn",
    ServiceStatus: "x5f2",
    ForwarderCommand: "fc00",
}
_LONGEST = 160
_ABOUT_VALUES = ("al00", "ep01", "un00")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Record:
    """One message. `value` is decoded by its schema; where that can't be, it is None and `problem` says why."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    payload: bytes
    value: Any = None
    problem: str = ""

    @property
    def schema(self) -> str:
        """Return the four characters that name the schema, known or not; "" for a payload that is too short for one."""
        return self.payload[4:8].decode("latin-1") if len(self.payload) >= 8 else ""

    @property
    def source(self) -> str:
        """Return the source name; "" where the message has none."""
        return str(getattr(self.value, "source_name", ""))

    def __str__(self) -> str:
        what = _said(self.value) if self.problem == "" else f"{self.payload[:40]!r} ({self.problem})"
        return f"{what} (partition {self.partition}, offset {self.offset}, {self.timestamp_ms} ms)"

    def __repr__(self) -> str:
        return f"<Record of {self.topic}: {self}>"


def record(message: "Message") -> Record:
    """Return a message of the client library, decoded."""
    payload = message.value() or b""
    value, problem = _decoded(payload)
    return Record(
        topic=message.topic() or "",
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        timestamp_ms=message.timestamp()[1],
        key=message.key(),
        payload=payload,
        value=value,
        problem=problem,
    )


def encode(value: Any) -> bytes:
    """Return a payload: bytes as they are, text in UTF-8, a value of the model in its schema.

    Raises:
        WireError: there is no schema for it.
    """
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    name = _SCHEMAS.get(type(value))
    if name is None:
        raise WireError(type(value).__name__, f"no schema holds it; give bytes, text, or one of {', '.join(t.__name__ for t in _SCHEMAS)}")
    return registry.ENCODERS[name](value)


def matcher(source: str | None, value: Any, where: Callable[[Record], bool] | None, schema: str | None = None) -> Callable[[Record], bool]:
    """Return a test for the record that is looked for; None asks for nothing.

    Without a schema or a value, `where` is not asked of what is about a value.
    value: a number or array is that of an f144, a Severity that of an al00, a ConnectionState that of an ep01; bytes are the payload.
    """
    of_any_schema = schema is not None or value is not None

    def is_it(candidate: Record) -> bool:
        return (
            (source is None or candidate.source == source)
            and (schema is None or candidate.schema == schema)
            and (value is None or _says(candidate, value))
            and (where is None or ((of_any_schema or candidate.schema not in _ABOUT_VALUES) and _asked(where, candidate)))
        )

    return is_it


def _asked(where: Callable[[Record], bool], candidate: Record) -> bool:
    try:
        return bool(where(candidate))
    except Exception as error:
        error.add_note(f"where(record) was asked of {candidate}; schema=… says which messages it is for")
        raise


def _decoded(payload: bytes) -> tuple[Any, str]:
    try:
        return registry.decode(payload), ""
    except WireError as error:
        return None, str(error)


def _says(candidate: Record, value: Any) -> bool:
    said = candidate.value
    if isinstance(value, Severity):
        return isinstance(said, Alarm) and said.severity == value
    if isinstance(value, ConnectionState):
        return isinstance(said, ConnectionChange) and said.state == value
    if isinstance(value, bytes):
        return candidate.payload == value
    return isinstance(said, LogValue) and _equal(said.value, value)


def _equal(actual: Any, expected: Any) -> bool:
    if isinstance(expected, (list, tuple, np.ndarray)):
        return bool(np.array_equal(actual, expected))
    if isinstance(expected, (bool, int, float, np.generic)):
        return np.ndim(actual) == 0 and bool(actual == expected)
    return bool(expected == actual)  # whatever compares by itself, such as pytest.approx


def _said(value: Any) -> str:
    if not is_dataclass(value):
        return repr(value)[:_LONGEST]
    parts = (f"{item.name}={_short(getattr(value, item.name))}" for item in fields(value))
    return f"{type(value).__name__}({', '.join(parts)})"[:_LONGEST]


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.ndim:
        return f"{value.dtype}[{value.size}]"
    return str(value) if isinstance(value, (np.generic, np.ndarray)) else repr(value)
