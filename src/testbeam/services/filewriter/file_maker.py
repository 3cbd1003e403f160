"""File maker: a NeXus file from a structure and messages in JSON, without Kafka; and templates of instruments from their structures.

The console script `file-maker` and `testbeam filewriter make` run `make_file`, `template-maker` and `testbeam filewriter template` run
`make_template`.
Source: docs/reference/contracts/filewriter.md, "Options".
"""

import argparse
import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from testbeam.errors import NexusError, SettingsError, TestbeamError
from testbeam.model.arrays import AreaImage, LabelledArray, Variable
from testbeam.model.samples import Alarm, ConnectionChange, ConnectionState, Events, LogValue, Severity
from testbeam.model.time import MS_PER_S, NS_PER_MS
from testbeam.nexus.structure import Group, Stream, parse
from testbeam.runtime import exit_codes
from testbeam.runtime.counters import Drops
from testbeam.services.filewriter import modules
from testbeam.services.filewriter.nexus_file import NexusFile, template_of
from testbeam.services.filewriter.plan import plan
from testbeam.services.filewriter.router import Router
from testbeam.wire.flatbuffers.registry import ENCODERS

START_MS, STOP_MS = 10 * MS_PER_S, 15 * MS_PER_S
"""The window of a file: what data.json has is from these five seconds of 1970."""
_FORM = "a list of objects, each with schema, topic, kafka_timestamp, source_name and what the schema has"


def make_file(structure: Path, output: Path, data: Path | None = None, instrument: str = "", templates: Path = Path()) -> dict[str, Any]:
    """Write a file from a structure and messages; return how many messages were received, written and dropped.

    Raises:
        SettingsError: a file can't be read, or the messages are not of the form that they should have.
        NexusError: the structure can't be used, or the file can't be made.
    """
    messages = _messages(data) if data else []
    log = logging.getLogger("file-maker")
    warnings = list[str]()
    with _named(structure):
        root = parse(_read(structure, "-f"), modules=modules.NAMES, warnings=warnings)
        planned = plan(root, warnings=warnings)
    if output.exists():
        raise NexusError(str(output), "exists already; files are never overwritten")
    template = template_of(templates, instrument)
    file = NexusFile(output.resolve(), root, planned, datetime.now(UTC), template, start_ms=START_MS)
    router = Router(start_ns=START_MS * NS_PER_MS, stop_ns=STOP_MS * NS_PER_MS, drops=Drops(log))
    router.open(file.routes, {route.topic: 1 for route in file.routes})
    unlisted = 0
    for topic, payload in messages:
        if topic in {route.topic for route in file.routes}:
            router.take(topic, 0, [payload])
        else:
            unlisted += 1
    router.finish()
    file.finish(STOP_MS)
    file.close()
    dropped = dict(router.drops.counts) | ({"topic not in the structure": unlisted} if unlisted else {})
    return {
        "received": router.received + unlisted,
        "written": router.written,
        "dropped": dropped,
        "warnings": warnings + file.warnings + router.warnings,
    }


def make_template(structure: Path, instrument: str, output: Path | None = None) -> Path:
    """Write the template of an instrument, all of its structure but the streams; return where it is.

    Raises:
        SettingsError, NexusError: as `make_file`.
    """
    with _named(structure):
        root = _without_streams(parse(_read(structure, "-f"), modules=modules.NAMES))
    path = (output or Path(instrument) / f"{instrument}.hdf").resolve()
    if path.exists():
        raise NexusError(str(path), "exists already; files are never overwritten")
    path.parent.mkdir(parents=True, exist_ok=True)
    NexusFile(path, root, (), datetime.now(UTC)).close()
    return path


def file_maker(argv: Sequence[str] | None = None) -> int:
    """Run the console script."""
    parser = argparse.ArgumentParser(prog="file-maker", description="Write a NeXus file from JSON, without Kafka.")
    parser.add_argument("-f", "--file", type=Path, required=True, help="NeXus structure as JSON")
    parser.add_argument("-o", "--output", type=Path, required=True, help="file to write")
    parser.add_argument("-d", "--data", type=Path, help="messages as JSON")
    parser.add_argument("-i", "--instrument", default="", help="instrument whose template the file begins as a copy of")
    parser.add_argument("--hdf-template-prefix", type=Path, default=Path(), help="folder of the templates")
    given = parser.parse_args(argv)
    return _answered(
        "file-maker",
        lambda: in_words(given.output, make_file(given.file, given.output, given.data, given.instrument, given.hdf_template_prefix)),
    )


def template_maker(argv: Sequence[str] | None = None) -> int:
    """Run the console script."""
    parser = argparse.ArgumentParser(
        prog="template-maker", description="Write the template of an instrument: its structure without the streams."
    )
    parser.add_argument("-f", "--file", type=Path, required=True, help="NeXus structure as JSON")
    parser.add_argument("-i", "--instrument", required=True, help="name of the instrument")
    parser.add_argument("-o", "--output", type=Path, help="file to write; default NAME/NAME.hdf")
    given = parser.parse_args(argv)
    return _answered("template-maker", lambda: str(make_template(given.file, given.instrument, given.output)))


def in_words(output: Path, counts: Mapping[str, Any]) -> str:
    """Return what `make_file` has done: messages written, those left out by reason, and warnings."""
    lines = [f"{output}: {counts['written']} of {counts['received']} messages"]
    lines += [f"  left out: {n} ({reason})" for reason, n in counts["dropped"].items()]
    return "\n".join([*lines, *(f"  warning: {warning}" for warning in counts["warnings"])])


def _answered(prog: str, work: Callable[[], str]) -> int:
    try:
        print(work())  # noqa: T201 — a command's own words
    except TestbeamError as error:
        print(f"{prog}: {error}", file=sys.stderr)  # noqa: T201
        return exit_codes.USAGE if isinstance(error, SettingsError) else exit_codes.FAILED
    return exit_codes.OK


@contextmanager
def _named(structure: Path) -> Iterator[None]:
    """Put the file's name before the place in it that an error names."""
    try:
        yield
    except NexusError as error:
        raise NexusError(f"{structure}: {error.path}", error.problem) from error


def _read(path: Path, option: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(option, str(path), f"a JSON file ({error})") from error


def _messages(path: Path) -> list[tuple[str, bytes]]:
    """Return topic and payload of each message, by Kafka time."""
    text = _read(path, "-d")
    try:
        items = json.loads(text)
        rows = [(int(item["kafka_timestamp"]), number, item) for number, item in enumerate(items)]
        return [(str(item["topic"]), _encoded(item)) for _time, _number, item in sorted(rows, key=lambda row: row[:2])]
    except (ValueError, KeyError, TypeError) as error:
        raise SettingsError("-d", f"{path} ({error!r})", _FORM) from error


def _encoded(item: Mapping[str, Any]) -> bytes:
    schema = str(item["schema"])
    if schema not in _MAKERS:
        raise ValueError(f"no messages of schema {schema!r} can be made; known are {', '.join(_MAKERS)}")
    return ENCODERS[schema](_MAKERS[schema](item))


def _ns(item: Mapping[str, Any], key: str = "timestamp") -> int:
    return round(float(item[key]) * NS_PER_MS)


def _enum(kind: Any, value: Any) -> Any:
    return kind[str(value).rsplit("::", 1)[-1]] if isinstance(value, str) else kind(int(value))


def _log(item: Mapping[str, Any]) -> LogValue:
    value = np.asarray(item["value"])
    return LogValue(source_name=item["source_name"], value=value[()] if not value.ndim else value, timestamp_ns=_ns(item))


def _connection(item: Mapping[str, Any]) -> ConnectionChange:
    state = _enum(ConnectionState, item["connection_status"])
    return ConnectionChange(source_name=item["source_name"], timestamp_ns=_ns(item), state=state, service_id="file-maker")


def _alarm(item: Mapping[str, Any]) -> Alarm:
    severity = _enum(Severity, item["severity"])
    return Alarm(source_name=item["source_name"], timestamp_ns=_ns(item), severity=severity, message=item["message"])


def _events(item: Mapping[str, Any]) -> Events:
    times = np.atleast_1d(item["reference_time"])
    return Events(
        source_name=item["source_name"],
        message_id=int(item["message_id"]),
        reference_time_ns=np.round(times * NS_PER_MS).astype(np.int64),
        reference_time_index=np.array(item.get("reference_time_index", [0] * len(times)), np.int32),
        time_of_flight_ns=np.array(item["time_of_flight"], np.int32),
        pixel_id=np.array(item.get("pixel_ids", []), np.int32),
    )


def _image(item: Mapping[str, Any]) -> AreaImage:
    return AreaImage(source_name=item["source_name"], unique_id=0, timestamp_ns=_ns(item), data=np.array(item["data"], np.uint16))


def _array(item: Mapping[str, Any]) -> LabelledArray:
    data, name, axes = np.array(item["data"], np.int32), str(item["name"]), item["axis_name"]
    names = tuple(axes) if isinstance(axes, list) else (str(axes),)
    return LabelledArray(source_name=item["source_name"], timestamp_ns=_ns(item), variables=(Variable(name=name, data=data, axes=names),))


_MAKERS: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "f144": _log,
    "ep01": _connection,
    "al00": _alarm,
    "ev44": _events,
    "ad00": _image,
    "da00": _array,
}


def _without_streams(group: Group) -> Group:
    kept = (child for child in group.children if not isinstance(child, Stream))
    return replace(group, children=tuple(_without_streams(child) if isinstance(child, Group) else child for child in kept))
