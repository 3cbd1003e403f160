"""A NeXus file as lines of text: its tree with classes, shapes and units, and the statistics of its data."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import h5py
import numpy as np

from testbeam.errors import NexusError
from testbeam.nexus.files import Entry, walk

_MOST = 5_000_000  # values of which statistics are made
_SHORT = 60


def tree(file: h5py.File, *, statistics: bool = True, below: str = "/") -> Iterator[str]:
    """Yield a line for each group and dataset, parents first; `below`: only what is at this path and under it.

    Raises:
        NexusError: there is nothing at this path.
    """
    top = below.rstrip("/")
    if top and top not in file:
        raise NexusError(below, f"there is no such group or dataset in {file.filename}")
    for entry in walk(file):
        if not top or f"{entry.path}/".startswith(f"/{top.lstrip('/')}/"):
            indent = "  " * (entry.path.rstrip("/").count("/"))
            yield f"{indent}{entry.path.rsplit('/', 1)[-1] or '/'}{_words(file, entry, statistics=statistics)}"


def _words(file: h5py.File, entry: Entry, *, statistics: bool) -> str:
    if entry.shape is None:
        words = [str(entry.attributes.get("NX_class", ""))]
        words += [f"{name} {entry.attributes[name]}" for name in ("writer_module", "topic", "source") if name in entry.attributes]
        return "".join(f"  {word}" for word in words if word)
    dataset = file[entry.path]
    shape = "×".join(map(str, entry.shape))
    words = [str(entry.dtype), shape, str(entry.attributes.get("units", ""))]
    words.append(_value(dataset) if not entry.shape or dataset.size == 1 else _statistics(dataset) if statistics else "")
    return "".join(f"  {word}" for word in words if word)


def _value(dataset: h5py.Dataset) -> str:
    value = np.asarray(dataset[()]).reshape(-1)[0] if dataset.size else ""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return f"= {text if len(text) <= _SHORT else text[:_SHORT] + '…'}"


def _statistics(dataset: h5py.Dataset) -> str:
    if not dataset.size or dataset.dtype.kind not in "iuf" or dataset.size > _MOST:
        return ""
    values = dataset[()]
    if _is_time(dataset):
        return f"{_moment(int(values.min()))} … {_moment(int(values.max()))}"
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    return f"{_number(finite.min())} … {_number(finite.max())}, mean {_number(finite.mean())}" if finite.size else "no number"


def _is_time(dataset: h5py.Dataset) -> bool:
    start, units = (dataset.attrs.get(name, "") for name in ("start", "units"))
    return str(start).startswith("1970") and str(units) == "ns" and dataset.dtype.kind in "iu"


def _moment(ns: int) -> str:
    try:
        return (
            (datetime.fromtimestamp(0, UTC) + timedelta(microseconds=ns // 1000)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        )
    except OverflowError:
        return f"{ns} ns"


def _number(value: Any) -> str:
    return f"{value:g}"
