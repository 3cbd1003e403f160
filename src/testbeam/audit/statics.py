"""Statics of a file: what its start command alone determines: groups, attributes, static datasets, links, and the marks of streams.

Files that begin as the copy of a template may have other values where the template has them: those are not judged.
"""

import posixpath
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np

from testbeam.nexus.structure import Attribute, Dataset, Group, Link, Stream, parse

NOT_JUDGED = ("root attributes that say who wrote the file and when", "cues of f144 without `cue_interval`", "datasets of mdat")
_TIMES = ("time", "alarm_time", "connection_status_time", "event_time_zero")


def problems(nexus_structure: str, file: h5py.File) -> Iterator[tuple[str, str]]:
    """Yield path and what is wrong there, for all that is not as the structure asks for it."""
    root = parse(nexus_structure)
    for group in root.groups():
        there = file.get(group.path)
        if not isinstance(there, h5py.Group):
            yield group.path, "there is no such group"
            continue
        yield from _attributes(group.path, there, group.attributes)
        for child in group.children:
            yield from _child(group, child, there, file)


def _child(group: Group, child: Any, there: h5py.Group, file: h5py.File) -> Iterator[tuple[str, str]]:
    path = f"{group.path.rstrip('/')}/{getattr(child, 'name', '')}"
    if isinstance(child, Dataset):
        yield from _dataset(path, there.get(child.name), child)
    elif isinstance(child, Link):
        yield from _link(path, there.get(child.name), file.get(posixpath.normpath(posixpath.join(group.path, child.source))))
    elif isinstance(child, Stream) and child.topic:
        yield from _attributes(group.path, there, child.attributes)
        yield from _marks(group, there, child)


def _dataset(path: str, there: Any, wanted: Dataset) -> Iterator[tuple[str, str]]:
    if not isinstance(there, h5py.Dataset):
        yield path, "there is no such dataset"
        return
    yield from _attributes(path, there, wanted.attributes)
    if there.shape != wanted.value.shape:
        yield path, f"its shape is {there.shape}, asked for is {wanted.value.shape}"
    elif not _equal(there[()], wanted.value):
        yield path, "its values are not those that were asked for"


def _link(path: str, there: Any, target: Any) -> Iterator[tuple[str, str]]:
    if target is not None and there is None:
        yield path, "there is no such link"
    elif target is not None and there != target:
        yield path, "it does not lead to what was asked for"


def _marks(group: Group, there: h5py.Group, stream: Stream) -> Iterator[tuple[str, str]]:
    """Judge what the writer adds to the group of a stream by itself; of several streams in a group the first names it."""
    path, asked = group.path, {attribute.name for attribute in (*stream.attributes, *group.attributes)}
    first = next(child for child in group.children if isinstance(child, Stream) and child.topic)
    for name, word in (("topic", first.topic), ("source", first.source)):
        if name not in asked and _text(there.attrs.get(name, "")) != word:
            yield f"{path}@{name}", f"it is {_text(there.attrs.get(name, ''))!r}, asked for is {word!r}"
    if "NX_class" not in there.attrs:
        yield f"{path}@NX_class", "there is no such attribute"
    for name in _TIMES:
        if isinstance(there.get(name), h5py.Dataset):
            for mark, word in (("units", "ns"), ("start", "1970-01-01T00:00:00Z")):
                if _text(there[name].attrs.get(mark, "")) != word:
                    yield f"{path}/{name}@{mark}", f"it is {_text(there[name].attrs.get(mark, ''))!r}, not {word!r}"
    units = next((stream.config[word] for word in ("value_units", "unit", "units") if word in stream.config), None)
    if units is not None and isinstance(there.get("value"), h5py.Dataset) and _text(there["value"].attrs.get("units", "")) != units:
        yield f"{path}/value@units", f"it is {_text(there['value'].attrs.get('units', ''))!r}, asked for is {units!r}"


def _attributes(path: str, there: Any, wanted: tuple[Attribute, ...]) -> Iterator[tuple[str, str]]:
    for attribute in wanted:
        if attribute.name not in there.attrs:
            yield f"{path}@{attribute.name}", "there is no such attribute"
        elif not _equal(there.attrs[attribute.name], attribute.value):
            yield f"{path}@{attribute.name}", f"it is {there.attrs[attribute.name]!r}, asked for is {attribute.value.tolist()!r}"


def _equal(found: Any, wanted: Any) -> bool:
    if wanted.dtype == object:
        return [_text(item) for item in np.ravel(np.asarray(found, object))] == [str(item) for item in wanted.ravel()]
    try:
        return bool(np.array_equal(np.asarray(found), wanted, equal_nan=wanted.dtype.kind == "f"))
    except TypeError:  # text where numbers should be
        return False


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
