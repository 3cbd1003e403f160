"""Destinations of a file: the groups of its stream modules, and those that they bring along.

Source: docs/reference/contracts/filewriter.md, "NeXus structure JSON" and "Writer modules".
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from testbeam.errors import AuditError, NexusError
from testbeam.nexus.structure import Group, Stream, parse
from testbeam.nexus.values import STRING, dtype_of

MODULES = ("f144", "ev44", "al00", "ep01")
_BROUGHT_ALONG = {"ep01": "enable_epics_con_info", "al00": "enable_alarm_info"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """The datasets of one module in the group at `path`; for f144 `width` 0 is scalars, else arrays of that length."""

    path: str
    module: str
    topic: str
    source: str
    dtype: Any = np.dtype(np.float64)
    width: int = 0
    cue_interval: int = 0
    statistics: bool = False

    @property
    def is_array(self) -> bool:
        """Tell whether this takes arrays."""
        return self.width > 0


def not_judged(nexus_structure: str) -> tuple[str, ...]:
    """Return in words the streams whose modules the audit does not know."""
    root = parse(nexus_structure)
    return tuple(
        f"{path}: module {stream.module}, {stream.source} on {stream.topic}"
        for path, stream in root.streams()
        if stream.module not in MODULES and stream.topic
    )


def destinations(nexus_structure: str) -> tuple[Destination, ...]:
    """Return where the job's messages go; streams of modules that the audit does not know are left out, see `not_judged`.

    Raises:
        AuditError: the structure can't be read.
    """
    try:
        root = parse(nexus_structure)
        return tuple(found for group in root.groups() for found in _of_group(group))
    except NexusError as error:
        raise AuditError(f"the job's nexus_structure can't be audited: {error}") from error


def _of_group(group: Group) -> Iterator[Destination]:
    streams = [child for child in group.children if isinstance(child, Stream)]
    explicit = {stream.module for stream in streams}
    for stream in streams:
        if stream.module not in MODULES:
            continue
        yield _destination(group.path, stream, stream.module, stream.config)
        for module, switch in _BROUGHT_ALONG.items() if stream.module == "f144" else ():
            if module not in explicit and stream.config.get(switch, True):
                yield _destination(group.path, stream, module, {})


def _destination(path: str, stream: Stream, module: str, config: Mapping[str, Any]) -> Destination:
    return Destination(
        path=path,
        module=module,
        topic=stream.topic,
        source=stream.source,
        dtype=_dtype(config, stream.place),
        width=config["array_size"] if config.get("array_size", 1) > 1 else 0,
        cue_interval=config.get("cue_interval", 0),
        statistics=module == "f144" and bool(config.get("meta_data", True)),
    )


def _dtype(config: Mapping[str, Any], place: str) -> Any:
    dtype = dtype_of(config.get("dtype", config.get("type", "double")), place)
    if dtype == STRING:
        raise NexusError(place, "f144 carries numbers: its dtype can't be string")
    return dtype
