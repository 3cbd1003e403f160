"""Rows of the modules beside f144, al00, ep01 and events: what each message puts into the datasets, and what the file has there.

A message of most of them is one row; those of se00, senv and tdct are as many as they have samples. A row is compared by one digest over
all its datasets, in the types that the config gives them. Source: docs/reference/contracts/filewriter.md, "Writer modules".
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbeam.audit import digests
from testbeam.audit.columns import Columns, Ints, as_ints, column
from testbeam.audit.digests import Digests
from testbeam.model.time import sound_ns
from testbeam.nexus.conversion import converted, differs
from testbeam.nexus.values import dtype_of

_INFO_BYTES = 1024
_AT_ONCE_BYTES = 32_000_000

Part = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowDataset:
    """One dataset of a module: its type and the shape of a row."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RowForm:
    """What a module makes of its messages. `parts`: the values of each dataset, (rows, …) each; None where the message does not fit."""

    datasets: tuple[RowDataset, ...]
    parts: Callable[[Any], Sequence[Part] | None]
    time_name: str = "time"
    times: Callable[[Any], NDArray[Any]] | None = None  # of the samples of a message; without it a message is one row

    def digest(self, parts: Sequence[Part]) -> list[int]:
        """Return the digest of each row."""
        stored = [np.ascontiguousarray(converted_to(part, dataset.dtype)) for part, dataset in zip(parts, self.datasets, strict=True)]
        return [digests.of_bytes(b"".join(part[row].tobytes() for part in stored)) for row in range(len(parts[0]))] if stored else []


def converted_to(part: Part, dtype: np.dtype[Any]) -> Part:
    """Return values as a dataset of this type holds them."""
    return part.astype(dtype) if dtype.kind == "S" else converted(part, dtype)


@dataclass(slots=True)
class RowColumns(Columns):
    """The rows of one source: by row its message, time and digest; by message whether it fits, and how many of its values are narrowed."""

    form: RowForm = field(kw_only=True)
    row_message: Any = field(default_factory=column)
    row_time_ns: Any = field(default_factory=column)
    row_digest: Any = field(default_factory=column)
    fits: Any = field(default_factory=column)
    changed: Any = field(default_factory=column)

    def _time_of(self, value: Any) -> int:
        times = getattr(value, "timestamps_ns", None)
        if times is not None and (len(times) or not hasattr(value, "timestamp_ns")):
            return int(times[0]) if len(times) else 0
        return int(value.timestamp_ns)

    def _keep(self, value: Any) -> None:
        parts, number = self.form.parts(value), len(self.fits)
        self.fits.append(parts is not None)
        self.changed.append(0 if parts is None else sum(map(_changed, parts, self.form.datasets)))
        if parts is None:
            return
        times = self.form.times(value).tolist() if self.form.times else [sound_ns(self._time_of(value))]
        digest = self.form.digest(parts) if parts else [0] * len(times)
        for time_ns, one in zip(times, digest, strict=True):
            self.row_message.append(number)
            self.row_time_ns.append(time_ns)
            self.row_digest.append(one)

    def narrowed(self, chosen: NDArray[np.intp]) -> int:
        """Return how many values of these messages are others in the file."""
        return int(as_ints(self.changed)[chosen].sum())


def _changed(part: Part, dataset: RowDataset) -> int:
    if dataset.dtype.kind == "S" or part.dtype == dataset.dtype:
        return 0
    return int(differs(part, converted(part, dataset.dtype)).sum())


def read_rows(form: RowForm, get: Callable[[str, Any, tuple[int, ...]], Any]) -> tuple[Ints, Digests, list[tuple[str, str]]]:
    """Return time and digest of each row of the file, and problems; `get` gives a dataset by name, type and shape of a row."""
    time = get(form.time_name, np.uint64, ())[:].view(np.int64)
    found = [get(dataset.name, dataset.dtype, dataset.shape) for dataset in form.datasets]
    lengths = [len(time), *map(len, found)]
    names = [form.time_name, *(dataset.name for dataset in form.datasets)]
    words = ", ".join(f"{name} {length}" for name, length in zip(names, lengths, strict=True))
    problems = [(names[-1], f"lengths differ: {words}")] if len(set(lengths)) > 1 else []
    rows = min(lengths)
    step = max(1, _AT_ONCE_BYTES // max(1, sum(dataset.dtype.itemsize * math.prod(dataset.shape) for dataset in form.datasets)))
    digest: list[int] = []
    for start in range(0, rows, step):
        digest += form.digest([dataset[start : min(start + step, rows)] for dataset in found]) if found else [0] * min(step, rows - start)
    return time[:rows], np.array(digest, np.int64), problems


def form_of(module: str, config: Mapping[str, Any], place: str) -> RowForm | None:
    """Return the form of a module for its config; None of one that is not judged by rows.

    Raises:
        NexusError, KeyError, TypeError, ValueError: the config can't be one that a writer took.
    """
    make = _FORMS.get(module)
    return make(config, place) if make else None


def _numbers(config: Mapping[str, Any], place: str, default: str) -> np.dtype[Any]:
    return dtype_of(config.get("dtype", config.get("type", default)), place)


def _connections(_config: Mapping[str, Any], _place: str) -> RowForm:
    datasets = (RowDataset(name="connection_status", dtype=np.dtype(np.int16)),)
    return RowForm(datasets=datasets, parts=lambda v: [np.array([int(v.state)], np.int16)], time_name="connection_status_time")


def _cache(_config: Mapping[str, Any], _place: str) -> RowForm:
    def parts(value: Any) -> Sequence[Part] | None:
        try:
            return [np.array([float(value.value)])]
        except ValueError:
            return None

    return RowForm(datasets=(RowDataset(name="value", dtype=np.dtype(np.float64)),), parts=parts)


def _images(config: Mapping[str, Any], place: str) -> RowForm:
    size = config["array_size"]
    shape = tuple(size) if isinstance(size, list) else (int(size),)

    def parts(value: Any) -> Sequence[Part] | None:
        return None if isinstance(value.data, str) or value.data.shape != shape else [value.data[np.newaxis]]

    return RowForm(datasets=(RowDataset(name="value", dtype=_numbers(config, place, "float64"), shape=shape),), parts=parts)


def _alarmed(config: Mapping[str, Any], place: str) -> RowForm:
    length = int(config.get("array_size", 1))

    def parts(value: Any) -> Sequence[Part] | None:
        numbers = np.atleast_1d(np.asarray(value.value)) if not isinstance(value.value, str | tuple) else np.empty(0, "U")
        return [numbers[np.newaxis]] if numbers.dtype.kind in "biuf" and numbers.shape == (length,) else None

    return RowForm(datasets=(RowDataset(name="value", dtype=_numbers(config, place, "double"), shape=(length,)),), parts=parts)


def _histograms(default: str) -> Callable[[Mapping[str, Any], str], RowForm]:
    def form(config: Mapping[str, Any], place: str) -> RowForm:
        shape = tuple(int(dimension["size"]) for dimension in config["shape"])
        counts = dtype_of(config.get("data_type", config.get("dtype", config.get("type", default))), place)
        errors = dtype_of(config.get("error_type", "double"), place)
        datasets = (
            RowDataset(name="histograms", dtype=counts, shape=shape),
            RowDataset(name="errors", dtype=errors, shape=shape),
            RowDataset(name="info", dtype=np.dtype(f"S{_INFO_BYTES}")),
        )

        def parts(value: Any) -> Sequence[Part] | None:
            if value.data.shape != shape or any(value.offset):
                return None
            errors = np.full(shape, np.nan) if value.errors is None else value.errors
            return [value.data[np.newaxis], errors[np.newaxis], np.array([value.info.encode()[:_INFO_BYTES]], f"S{_INFO_BYTES}")]

        return RowForm(datasets=datasets, parts=parts, time_name="timestamps")

    return form


def _arrays(config: Mapping[str, Any], place: str) -> RowForm:
    datasets = tuple(
        RowDataset(
            name=variable["name"],
            dtype=dtype_of(variable.get("data_type", variable.get("dtype", variable.get("type", "double"))), place),
            shape=tuple(variable.get("shape", ())),
        )
        for variable in config.get("variables", ())
    )

    def part(value: Any, dataset: RowDataset) -> Part:
        variable = value.variable(dataset.name)
        if variable is not None and not isinstance(variable.data, str) and variable.data.shape == dataset.shape:
            return np.asarray(variable.data)[np.newaxis]
        missing = np.nan if dataset.dtype.kind == "f" else np.iinfo(dataset.dtype).max
        return np.full((1, *dataset.shape), missing, dataset.dtype)

    return RowForm(datasets=datasets, parts=lambda value: [part(value, dataset) for dataset in datasets])


def _samples(config: Mapping[str, Any], place: str) -> RowForm:
    def times(value: Any) -> NDArray[Any]:
        if len(value.timestamps_ns):
            return np.asarray(value.timestamps_ns).astype(np.int64)
        steps = np.round(np.arange(len(value.values)) * value.time_delta_ns).astype(np.int64)
        return np.asarray(sound_ns(value.timestamp_ns) + steps)

    datasets = (RowDataset(name="value", dtype=_numbers(config, place, "int64")),)
    return RowForm(datasets=datasets, parts=lambda value: [value.values], times=times)


def _times(_config: Mapping[str, Any], _place: str) -> RowForm:
    return RowForm(datasets=(), parts=lambda _value: [], times=lambda value: np.asarray(value.timestamps_ns).astype(np.int64))


_FORMS: Mapping[str, Callable[[Mapping[str, Any], str], RowForm]] = {
    "ADAr": _images,
    "NDAr": _images,
    "ad00": _images,
    "da00": _arrays,
    "ep00": _connections,
    "f142": _alarmed,
    "hs00": _histograms("uint64"),
    "hs01": _histograms("int64"),
    "ns10": _cache,
    "se00": _samples,
    "senv": _samples,
    "tdct": _times,
}
MODULES = tuple(_FORMS)
