"""Detail of a finding: the message is read once more and laid beside the altered row."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import h5py
import numpy as np

from testbeam.audit.columns import pulse_bounds
from testbeam.audit.result import Finding, Kind
from testbeam.audit.units import Wanted
from testbeam.errors import TestbeamError
from testbeam.model.samples import Alarm, ConnectionChange, Events, LogValue
from testbeam.wire.flatbuffers.registry import decode

Fetch = Callable[[str, int, int], bytes]
"""Brings the payload of a message, by topic, partition and offset."""


def explain(finding: Finding, wanted: Wanted, file: h5py.File, row_time_ns: int, fetch: Fetch | None) -> Finding:
    """Return the finding with both values in its detail, as far as they can be had."""
    if finding.kind is Kind.MISPLACED:
        return replace(finding, detail="it stands before rows of messages that came earlier")
    try:
        value = decode(fetch(finding.topic, finding.partition, finding.offset)) if fetch else None
    except TestbeamError as error:
        return replace(finding, detail=f"the message can't be read again: {error}")
    if finding.row < 0:
        return replace(finding, detail="" if value is None else _brief(value))
    if row_time_ns != finding.time_ns:
        return replace(finding, detail=f"its time there is {row_time_ns} ns")
    group = file[wanted.destination.path]
    if isinstance(value, Events):
        return _event_difference(finding, value, group)
    name = finding.path.rsplit("/", 1)[-1]
    return replace(finding, detail=f"there it is {group[name][finding.row]!r}" + ("" if value is None else f", sent was {_brief(value)}"))


def _brief(value: Any) -> str:
    match value:
        case LogValue():
            return str(value.value)
        case Alarm():
            return f"{value.severity.name} {value.message!r}"
        case ConnectionChange():
            return value.state.name
        case Events():
            return f"{len(value.time_of_flight_ns)} events in {len(value.reference_time_ns)} pulses"
        case _:
            return type(value).__name__


def _event_difference(finding: Finding, value: Events, group: h5py.Group) -> Finding:
    """Name the first event that differs, its dataset and both values."""
    pulse = int(np.argmax(value.reference_time_ns == finding.time_ns))
    start, end = pulse_bounds(value.reference_time_index, len(value.time_of_flight_ns))[pulse : pulse + 2]
    index = group["event_index"]
    first = int(index[finding.row])
    last = int(index[finding.row + 1]) if finding.row + 1 < len(index) else len(group["event_time_offset"])
    if last - first != end - start:
        return replace(finding, detail=f"the pulse has {last - first} events there, {end - start} were sent")
    for name, sent in (("event_time_offset", value.time_of_flight_ns[start:end]), ("event_id", value.pixel_id[start:end])):
        there = group[name][first:last] if len(sent) else sent
        different = np.flatnonzero(there != sent) if len(there) == len(sent) else np.empty(0, np.intp)
        if len(different):
            at = int(different[0])
            path = f"{group.name}/{name}"
            return replace(
                finding, path=path, row=first + at, detail=f"there it is {there[at]}, sent was {sent[at]} (event {at} of its pulse)"
            )
    return finding
