"""One line for a decoded value; a schema without words of its own is told field by field."""

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbeam.model.arrays import AreaImage, LabelledArray
from testbeam.model.forwarding import ForwarderCommand
from testbeam.model.runs import CommandAnswer, RunStart, RunStop, WritingFinished
from testbeam.model.samples import (
    Alarm,
    AlarmedLogValue,
    ConnectionChange,
    Events,
    IntegerSampleSeries,
    LogValue,
    SampleSeries,
    TimeSeries,
    UnitsChange,
)
from testbeam.model.status import ServiceStatus
from testbeam.model.time import NS_PER_MS
from testbeam.wire.readable.texts import hex_head, printable, time_ms, time_ns

_TEXT = 120


def source_of(value: Any) -> str:
    """Return whom a value speaks of: its source, the service that sent it, or its job; empty if it does not say."""
    commands = (RunStart, RunStop)  # their service_id is whom they are sent to
    for name in ("job_id",) if isinstance(value, commands) else ("source_name", "service_id", "job_id"):
        named = getattr(value, name, "")
        if named:
            return str(named)
    return ""


def line_of(value: Any) -> str:
    """Return what a value says, in one line without its source."""
    words = _WORDS.get(type(value), _any)
    return words(value)


def _log_value(value: LogValue) -> str:
    return f"{_number(value.value)} {value.value.dtype}, at {time_ns(value.timestamp_ns)}"


def _alarmed(value: AlarmedLogValue) -> str:
    alarm = "" if value.severity is None else f", {value.severity.name} {value.status.name}"
    shown = ", ".join(_quoted(text) for text in value.value[:3]) if isinstance(value.value, tuple) else _short(value.value)
    return f"{shown}{alarm}, at {time_ns(value.timestamp_ns)}"


def _units(change: UnitsChange) -> str:
    return f"{'no unit' if change.units is None else _quoted(change.units)}, from {time_ns(change.timestamp_ns)} on"


def _times(series: TimeSeries) -> str:
    count = len(series.timestamps_ns)
    first = f", first at {time_ns(int(series.timestamps_ns[0]))}" if count else ""
    return f"message {series.sequence_counter}, {_n(count, 'time')}{first}"


def _samples(series: SampleSeries) -> str:
    return f"message {series.message_counter}, channel {series.channel}, {_short(series.values)}, at {time_ns(series.timestamp_ns)}"


def _events(events: Events) -> str:
    pulses, count = len(events.reference_time_ns), len(events.time_of_flight_ns)
    parts = [f"message {events.message_id}", f"{_n(pulses, 'pulse')}", f"{_n(count, 'event')}"]
    if count:
        first, low, high = (int(number) / NS_PER_MS for number in _ends(events.time_of_flight_ns))
        parts.append(f"first tof {first:.3f} ms, tof {low:.3f}…{high:.3f} ms")
    if len(events.pixel_id):
        parts.append(f"pixel {events.pixel_id.min()}…{events.pixel_id.max()}")
    if pulses:
        parts.append(f"pulse at {time_ns(int(events.reference_time_ns[0]))}")
    return ", ".join(parts)


def _labelled_array(array: LabelledArray) -> str:
    if not array.variables:
        return f"no variables, at {time_ns(array.timestamp_ns)}"
    signal = array.variable("signal") or array.variables[0]
    others = ", ".join(printable(variable.name, _TEXT) for variable in array.variables if variable is not signal)
    unit = f" {printable(signal.unit, _TEXT)}" if signal.unit else ""
    coordinates = f", with {printable(others, _TEXT)}" if others else ""
    return f"{printable(signal.name, _TEXT)} {_short(signal.data)}{unit}{coordinates}, at {time_ns(array.timestamp_ns)}"


def _area_image(image: AreaImage) -> str:
    attributes = f", {_n(len(image.attributes), 'attribute')}" if image.attributes else ""
    return f"image {image.unique_id}, {_short(image.data)}{attributes}, at {time_ns(image.timestamp_ns)}"


def _alarm(alarm: Alarm) -> str:
    return f"{alarm.severity.name} {_quoted(alarm.message)}, at {time_ns(alarm.timestamp_ns)}"


def _connection(change: ConnectionChange) -> str:
    return f"{change.state.name}, seen by {printable(change.service_id, _TEXT)}, at {time_ns(change.timestamp_ns)}"


def _run_start(start: RunStart) -> str:
    span = f"from {_moment(start.start_time_ms, 'now')} to {_moment(start.stop_time_ms, 'its stop command')}"
    asked = f" on {printable(start.service_id, _TEXT)}" if start.service_id else ""
    structure = f"nexus_structure of {len(start.nexus_structure)} characters"
    return f"start job{asked} into {_quoted(start.filename)}, {span}, {structure}"


def _run_stop(stop: RunStop) -> str:
    asked = f" on {printable(stop.service_id, _TEXT)}" if stop.service_id else ""
    return f"stop job{asked} at {_moment(stop.stop_time_ms, 'now')}, command {printable(stop.command_id, _TEXT)}"


def _answer(answer: CommandAnswer) -> str:
    what = f"{answer.outcome.name} {answer.status_code} to {answer.action.name} of job {printable(answer.job_id, _TEXT)}"
    return f"{what}: {_quoted(answer.message)}" if answer.message else what


def _finished(finished: WritingFinished) -> str:
    how = "with an error" if finished.error_encountered else "written"
    message = f": {_quoted(finished.message)}" if finished.message else ""
    return f"job {printable(finished.job_id, _TEXT)} finished {how}, file {_quoted(finished.file_name)}{message}"


def _status(status: ServiceStatus) -> str:
    where = f"pid {status.process_id} on {printable(status.host_name, _TEXT)}"
    software = printable(f"{status.software_name} {status.software_version}", _TEXT)
    return f"{software}, {where}, every {status.update_interval_ms} ms, {printable(status.status_json, _TEXT)}"


def _command(command: ForwarderCommand) -> str:
    shown = [f"{s.channel} ({s.protocol.name}) as {s.schema} to {s.topic}" for s in command.streams[:3]]
    more = f" and {len(command.streams) - 3} more" if len(command.streams) > 3 else ""
    return f"{command.change.name} {_n(len(command.streams), 'stream')}{': ' if shown else ''}{printable('; '.join(shown))}{more}"


def _any(value: Any) -> str:
    """Tell any value field by field, so that a new schema is readable from its first day."""
    if not is_dataclass(value):
        return _short(value)
    named = ((spec.name, getattr(value, spec.name)) for spec in fields(value) if spec.name != "source_name")
    return ", ".join(f"{name} {_short(part)}" for name, part in named)


def _short(value: Any) -> str:
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, np.ndarray | np.generic):
        return f"{_number(value)} {value.dtype}"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return hex_head(bytes(value))
    if isinstance(value, tuple | list):
        return f"[{_n(len(value), 'item')}]"
    return printable(repr(value), _TEXT)


def _number(value: Any) -> str:
    """Return a scalar, or an array as its shape, its first elements and its bounds."""
    array = np.asarray(value)
    if not array.ndim:
        return printable(str(array[()]), _TEXT)
    shape, flat = "×".join(map(str, array.shape)), array.reshape(-1)
    shown = printable(", ".join(map(str, flat[:3].tolist())), _TEXT)
    if flat.size <= 3:
        return f"[{shape}] {shown}".rstrip()
    bounds = f" ({flat.min()}…{flat.max()})" if array.dtype.kind in "iufb" else ""
    return f"[{shape}] {shown}, …{bounds}"


def _ends(array: NDArray[Any]) -> tuple[Any, Any, Any]:
    return array[0], array.min(), array.max()


def _moment(at_ms: int, otherwise: str) -> str:
    return time_ms(at_ms) if at_ms else otherwise


def _quoted(text: str) -> str:
    return f'"{printable(text, _TEXT)}"'


def _n(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


_WORDS: dict[type, Callable[[Any], str]] = {
    Alarm: _alarm,
    AlarmedLogValue: _alarmed,
    AreaImage: _area_image,
    CommandAnswer: _answer,
    ConnectionChange: _connection,
    Events: _events,
    ForwarderCommand: _command,
    LabelledArray: _labelled_array,
    IntegerSampleSeries: _samples,
    LogValue: _log_value,
    RunStart: _run_start,
    RunStop: _run_stop,
    SampleSeries: _samples,
    ServiceStatus: _status,
    TimeSeries: _times,
    UnitsChange: _units,
    WritingFinished: _finished,
}
