"""Destinations of a file: the groups of its stream modules, and those that they bring along.

Source: docs/reference/contracts/filewriter.md, "NeXus structure JSON" and "Writer modules".
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from testbeam.audit.rows import MODULES as ROWS
from testbeam.audit.rows import RowForm, form_of
from testbeam.errors import AuditError, NexusError
from testbeam.nexus.structure import Group, Stream, parse
from testbeam.nexus.values import STRING, dtype_of

MODULES = ("f144", "ev42", "ev44", "al00", "ep01", *ROWS)
_BOTH = {"ep01": "enable_epics_con_info", "al00": "enable_alarm_info"}
_BROUGHT_ALONG: Mapping[str, Mapping[str, str]] = {
    **dict.fromkeys(("f144", "se00", "senv", "tdct"), _BOTH),
    "f142": {"ep01": "enable_epics_con_info"},
}
_NOT_LOOKED_AT = {
    "f142": "alarms of f142",
    "da00": "constants and cues of da00",
    **{module: f"edges and cues of {module}" for module in ("hs00", "hs01")},
    **{module: f"cues of {module}" for module in ("ADAr", "NDAr", "ad00", "ns10", "se00", "senv", "tdct")},
}
_TIME_NAMES = {"f144": "time", "al00": "alarm_time", "ep01": "connection_status_time", "ev42": "event_time_zero", "ev44": "event_time_zero"}
_VALUE_NAMES = {"f144": "value", "al00": "alarm_message", "ep01": "connection_status", "ev42": "event_index", "ev44": "event_index"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """The datasets of one module in the group at `path`; for f144 `width` 0 is scalars, else arrays of that length.

    `form`: for modules whose messages are compared as rows (`rows.py`).
    """

    path: str
    module: str
    topic: str
    source: str
    dtype: Any = np.dtype(np.float64)
    width: int = 0
    cue_interval: int = 0
    statistics: bool = False
    form: RowForm | None = None

    @property
    def time_name(self) -> str:
        """Return the dataset of the rows' times."""
        return self.form.time_name if self.form else _TIME_NAMES[self.module]

    @property
    def value_name(self) -> str:
        """Return the dataset that stands for a row."""
        if self.form is None:
            return _VALUE_NAMES[self.module]
        return self.form.datasets[0].name if self.form.datasets else self.form.time_name

    @property
    def is_array(self) -> bool:
        """Tell whether this takes arrays."""
        return self.width > 0


def not_judged(nexus_structure: str) -> tuple[str, ...]:
    """Return in words the streams whose modules the audit does not know."""
    root = parse(nexus_structure)
    return tuple(
        f"{path}: {_NOT_LOOKED_AT.get(stream.module, f'module {stream.module}')}, {stream.source} on {stream.topic}"
        for path, stream in root.streams()
        if stream.topic and (stream.module not in MODULES or stream.module in _NOT_LOOKED_AT)
    )


def destinations(nexus_structure: str) -> tuple[Destination, ...]:
    """Return where the job's messages go; streams of modules that the audit does not know are left out, see `not_judged`.

    Raises:
        AuditError: the structure can't be read.
    """
    try:
        root = parse(nexus_structure)
        return tuple(found for group in root.groups() for found in _of_group(group))
    except (NexusError, KeyError, TypeError, ValueError) as error:
        raise AuditError(f"the job's nexus_structure can't be audited: {error}") from error


def _of_group(group: Group) -> Iterator[Destination]:
    streams = [child for child in group.children if isinstance(child, Stream)]
    explicit = {stream.module for stream in streams}
    for stream in streams:
        if stream.module not in MODULES:
            continue
        yield _destination(group.path, stream, stream.module, stream.config)
        for module, switch in _BROUGHT_ALONG.get(stream.module, {}).items():
            if module not in explicit and stream.config.get(switch, True):
                yield _destination(group.path, stream, module, {})


def _destination(path: str, stream: Stream, module: str, config: Mapping[str, Any]) -> Destination:
    return Destination(
        path=path,
        module=module,
        topic=stream.topic,
        source=stream.source,
        dtype=_dtype(config, stream.place) if module == "f144" else np.dtype(np.float64),
        width=config["array_size"] if module == "f144" and config.get("array_size", 1) > 1 else 0,
        cue_interval=config.get("cue_interval", 0) if module == "f144" else 0,
        statistics=module in ("f144", "f142") and bool(config.get("meta_data", True)),
        form=form_of(module, config, stream.place),
    )


def _dtype(config: Mapping[str, Any], place: str) -> Any:
    dtype = dtype_of(config.get("dtype", config.get("type", "double")), place)
    if dtype == STRING:
        raise NexusError(place, "f144 carries numbers: its dtype can't be string")
    return dtype
