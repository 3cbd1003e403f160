"""Contents of a file for one destination, read with plain h5py, and what of them contradicts itself."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from testbeam.audit import digests
from testbeam.audit.columns import Ints
from testbeam.audit.destinations import Destination
from testbeam.audit.digests import Digests
from testbeam.audit.rows import RowForm, read_rows
from testbeam.audit.units import Wanted

_EVENTS_AT_ONCE = 4_000_000


@dataclass(slots=True)
class Stored:
    """Time and digest of each row (of ev44: each pulse); `problems` are pairs of a dataset's name and what is wrong with it."""

    time_ns: Ints
    digest: Digests
    problems: list[tuple[str, str]] = field(default_factory=list)


class Datasets:
    """The datasets of one destination; one that is missing or of a wrong kind is a problem, and reads as empty."""

    def __init__(self, file: h5py.File, destination: Destination) -> None:
        self.problems: list[tuple[str, str]] = []
        group = file.get(destination.path)
        self._group = group if isinstance(group, h5py.Group) else {}
        if not isinstance(group, h5py.Group):
            self.problems.append(("", "there is no such group"))

    def has(self, name: str) -> bool:
        """Tell whether there is a dataset of this name."""
        return isinstance(self._group.get(name), h5py.Dataset)

    def is_number(self, name: str) -> bool:
        """Tell whether a dataset is one number."""
        dataset = self._group.get(name)
        return isinstance(dataset, h5py.Dataset) and dataset.shape == () and dataset.dtype.kind in "iuf"

    def get(self, name: str, dtype: Any = None, row: tuple[int, ...] = ()) -> Any:
        """Return a dataset, or an empty array where there is none that can be used."""
        dataset = self._group.get(name)
        expected = None if dtype is None else np.dtype(dtype)
        if not isinstance(dataset, h5py.Dataset):
            self.problems.append((name, "there is no such dataset"))
        elif expected is not None and dataset.dtype != expected:
            self.problems.append((name, f"its type is {dataset.dtype}, not {expected}"))
        elif dataset.shape[1:] != row or not dataset.ndim:
            self.problems.append((name, f"its shape is {dataset.shape}"))
        else:
            return dataset
        return np.empty((0, *row), expected or np.int64)

    def of_rows(self, name: str, dtype: Any, row: tuple[int, ...]) -> Any:
        """Return a dataset whose rows have this shape."""
        return self.get(name, dtype, row)

    def rows(self, *columns: tuple[str, Any]) -> list[NDArray[Any]]:
        """Return whole columns that belong side by side, cut to the shortest."""
        arrays = [self.get(name, dtype)[:] for name, dtype in columns]
        return self.side_by_side([name for name, _dtype in columns], arrays)

    def side_by_side(self, names: list[str], arrays: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """Return arrays cut to the shortest; different lengths are a problem."""
        lengths = [len(array) for array in arrays]
        if len(set(lengths)) > 1:
            self.problems.append((names[-1], f"lengths differ: {', '.join(f'{n} {m}' for n, m in zip(names, lengths, strict=True))}"))
        return [array[: min(lengths)] for array in arrays]


def read(file: h5py.File, wanted: Wanted) -> Stored:
    """Return what the file holds for a destination."""
    datasets, form = Datasets(file, wanted.destination), wanted.destination.form
    return _READERS[wanted.destination.module](datasets, wanted) if form is None else _read_rows(datasets, wanted, form)


def _read_rows(datasets: Datasets, wanted: Wanted, form: RowForm) -> Stored:
    time, digest, problems = read_rows(form, datasets.of_rows)
    if wanted.destination.statistics:
        (values,) = form.datasets
        _check_statistics(datasets, datasets.of_rows(values.name, values.dtype, values.shape)[:])
    return Stored(time, digest, datasets.problems + problems)


def _read_log(datasets: Datasets, wanted: Wanted) -> Stored:
    destination = wanted.destination
    values = datasets.get("value", destination.dtype, (destination.width,) if destination.width else ())[:]
    time, values = datasets.side_by_side(["time", "value"], [datasets.get("time", np.uint64)[:], values])
    if destination.statistics:
        _check_statistics(datasets, values)
    if destination.cue_interval:
        _check_cue(datasets, len(time), lambda at, cue_ns: time[at].view(np.int64) == cue_ns, destination.cue_interval)
    return Stored(time.view(np.int64), digests.of_numbers(values), datasets.problems)


def _read_alarms(datasets: Datasets, _wanted: Wanted) -> Stored:
    message = datasets.get("alarm_message")[:]
    time, severity = datasets.rows(("alarm_time", np.uint64), ("alarm_severity", np.int16))
    time, severity, message = datasets.side_by_side(["alarm_time", "alarm_severity", "alarm_message"], [time, severity, message])
    digest = [digests.of_alarm(int(level), _as_bytes(text)) for level, text in zip(severity, message, strict=True)]
    return Stored(time.view(np.int64), np.array(digest, np.int64), datasets.problems)


def _read_connections(datasets: Datasets, _wanted: Wanted) -> Stored:
    time, status = datasets.rows(("connection_status_time", np.uint64), ("connection_status", np.int16))
    return Stored(time.view(np.int64), status.astype(np.int64), datasets.problems)


def _read_events(datasets: Datasets, wanted: Wanted) -> Stored:
    time, index = datasets.rows(("event_time_zero", np.uint64), ("event_index", np.int64))
    time = time.view(np.int64)
    number = np.uint32 if wanted.destination.module == "ev42" else np.int32
    offset = datasets.get("event_time_offset", number)
    total = len(offset)
    ids = datasets.get("event_id", number) if datasets.has("event_id") or wanted.has_ids else np.empty(0, number)
    if not wanted.has_ids and not len(ids):
        ids = np.full(total, digests.NO_PIXEL, np.int32)  # as kafka-to-nexus leaves it
    if len(ids) != total:
        datasets.problems.append(("event_id", f"it has {len(ids)} ids, there are {total} events"))
    bounds = _bounds(datasets, wanted, time, index, total)
    of_offset = _digests_of_pulses(offset, bounds)
    of_ids = _digests_of_pulses(ids, bounds)
    if datasets.has("cue_index") and len(datasets.get("cue_index")):
        _check_cue(datasets, total, lambda at, cue_ns: _begins_pulse(time, index, at, cue_ns))
    return Stored(time, digests.of_events(of_offset, of_ids), datasets.problems)


def _bounds(datasets: Datasets, wanted: Wanted, time: Ints, index: Ints, total: int) -> Ints:
    """Return where each pulse's events begin, and where the last ones end: as wanted, or else as event_index says."""
    layout = wanted.layout
    if layout and total == layout.total and np.array_equal(time, wanted.units.time_ns) and np.array_equal(index, layout.event_index):
        return _from_counts(layout.pulse_events)
    steps = np.diff(np.r_[0, index, total])
    if (steps < 0).any() or (len(index) and index[0] != 0) or (total and not len(index)):
        at = int(np.argmin(steps)) if (steps < 0).any() else 0
        datasets.problems.append(("event_index", f"it does not lead from 0 up to {total} events; see row {at}"))
    bounds: Ints = np.maximum.accumulate(np.clip(np.r_[index, total], 0, total))
    return bounds


def _from_counts(counts: Ints) -> Ints:
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(counts)))


def _digests_of_pulses(dataset: Any, bounds: Ints) -> Digests:
    """Return the digest of the events between each two bounds, reading some pulses at once."""
    result = np.zeros(len(bounds) - 1, np.int64)
    for first, last in _portions(bounds):
        start = int(bounds[first])
        data = memoryview(dataset[start : int(bounds[last])].tobytes())
        edges = ((bounds[first : last + 1] - start) * 4).tolist()
        result[first:last] = [hash(data[a:b]) for a, b in pairwise(edges)]
    return result


def _portions(bounds: Ints) -> Iterator[tuple[int, int]]:
    first, pulses = 0, len(bounds) - 1
    while first < pulses:
        last = int(np.searchsorted(bounds, bounds[first] + _EVENTS_AT_ONCE, "right")) - 1
        last = min(max(last, first + 1), pulses)
        yield first, last
        first = last


def _begins_pulse(time: Ints, index: Ints, events: Ints, times_ns: Ints) -> NDArray[np.bool_]:
    """Tell for each event whether a pulse of this time begins with it; pulses without events share it with the next."""
    bounds = zip(np.searchsorted(index, events, "left"), np.searchsorted(index, events, "right"), times_ns, strict=True)
    return np.array([(time[first:last] == time_ns).any() for first, last, time_ns in bounds], bool)


def _check_cue(datasets: Datasets, total: int, agrees: Callable[[Ints, Ints], NDArray[np.bool_]], interval: int = 0) -> None:
    place, time = datasets.rows(("cue_index", np.int64), ("cue_timestamp_zero", np.int64))
    if interval and len(place) != -(-total // interval):
        datasets.problems.append(("cue_index", f"it has {len(place)} entries for {total} rows, one every {interval}"))
    valid = (place >= 0) & (place < total) & np.r_[True, np.diff(place) > 0][: len(place)]
    if interval:
        valid &= place == np.arange(len(place)) * interval
    valid[valid] = agrees(place[valid], time[valid])
    if not valid.all():
        row = int(np.argmin(valid))
        datasets.problems.append(("cue_index", f"row {row} says {place[row]} at {time[row]} ns, which the data do not"))


def _check_statistics(datasets: Datasets, values: NDArray[Any]) -> None:
    numbers = values.astype(np.float64).ravel()
    numbers = numbers[~np.isnan(numbers)]
    with np.errstate(invalid="ignore", over="ignore"):  # a mean of infinities is none
        wanted = (numbers.min(), numbers.max(), numbers.mean()) if len(numbers) else (np.nan,) * 3
    scale = float(np.abs(numbers).max(initial=0.0))
    for name, number in zip(("minimum_value", "maximum_value", "average_value"), wanted, strict=True):
        if not datasets.has(name):
            datasets.problems.append((name, "there is no such dataset"))
            continue
        if not datasets.is_number(name):
            datasets.problems.append((name, "it is no single number"))
            continue
        found = float(_scalar(datasets, name))
        if not _close(found, float(number), scale) and (len(numbers) or found != 0):
            datasets.problems.append((name, f"it is {found}, the values say {number}"))


def _close(found: float, number: float, scale: float) -> bool:
    """Compare two statistics; sums of doubles differ with their order, by little against the largest of the values."""
    if math.isnan(number):
        return math.isnan(found)
    return math.isclose(found, number, rel_tol=1e-9, abs_tol=1e-9 * scale if math.isfinite(scale) else 0.0)


def _scalar(datasets: Datasets, name: str) -> Any:
    return datasets._group[name][()]  # noqa: SLF001 — a scalar is not for get, which gives columns


def _as_bytes(text: Any) -> bytes:
    return text.encode() if isinstance(text, str) else bytes(text) if isinstance(text, bytes) else repr(text).encode()


_READERS = {"f144": _read_log, "al00": _read_alarms, "ep01": _read_connections, "ev42": _read_events, "ev44": _read_events}
