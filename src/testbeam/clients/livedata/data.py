"""Results as a test holds them, and the service that keeps the last one of each output."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbeam.model.arrays import LabelledArray
from testbeam.model.live import DataKey, ResultKey

_TIMES = ("start_time", "time", "end_time")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LiveResult:
    """One result: `values` with `dims` and `unit`, coordinates by name, and the span of data time in ns.

    Two are equal if values, coordinates and job are: a test may compare them as whole things.
    """

    key: ResultKey
    values: NDArray[Any]
    dims: tuple[str, ...]
    unit: str | None
    name: str
    coords: Mapping[str, NDArray[Any]]
    start_time_ns: int | None
    time_ns: int | None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LiveResult):
            return NotImplemented
        same = self.key == other.key and np.array_equal(self.values, other.values) and self.coords.keys() == other.coords.keys()
        return bool(same and all(np.array_equal(self.coords[name], other.coords[name]) for name in self.coords))

    __hash__ = None  # type: ignore[assignment]

    def sum(self) -> float:
        """Return the sum of the values."""
        return float(self.values.sum())

    @property
    def job_number(self) -> str:
        """Return the number of the job that gave it."""
        return self.key.job_id.job_number


def result_of(key: ResultKey, array: LabelledArray) -> LiveResult | None:
    """Return the result that a message holds, None where it has no signal."""
    signal = array.variable("signal")
    if signal is None or isinstance(signal.data, str):
        return None
    numbers = {one.name: np.asarray(one.data) for one in array.variables if not isinstance(one.data, str)}
    times = {name: int(numbers[name]) for name in _TIMES if name in numbers and not numbers[name].ndim}
    return LiveResult(
        key=key,
        values=np.asarray(signal.data),
        dims=signal.axes,
        unit=signal.unit,
        name=signal.label or "",
        coords={name: data for name, data in numbers.items() if name != "signal" and name not in times},
        start_time_ns=times.get("start_time"),
        time_ns=times.get("time"),
    )


@dataclass(slots=True)
class DataService(Mapping[DataKey, LiveResult]):
    """The last result of each output, of the current jobs; subscribers are told of each new one."""

    update: Callable[[], None]
    _data: dict[DataKey, LiveResult] = field(default_factory=dict)
    _subscribers: list[Callable[[DataKey, LiveResult], None]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def __getitem__(self, key: DataKey | ResultKey) -> LiveResult:
        found = self._data[key.data_key if isinstance(key, ResultKey) else key]
        if isinstance(key, ResultKey) and found.key != key:
            raise KeyError(key)
        return found

    def __iter__(self) -> Iterator[DataKey]:
        return iter(list(self._data))

    def __len__(self) -> int:
        return len(self._data)

    def put(self, result: LiveResult) -> None:
        """Keep a result and tell subscribers; one that fails does not keep the others from it."""
        self._data[result.key.data_key] = result
        for subscriber in list(self._subscribers):
            try:
                subscriber(result.key.data_key, result)
            except Exception as error:  # a subscriber is a test's own code
                self.problems.append(f"{getattr(subscriber, '__name__', subscriber)}: {type(error).__name__}: {error}")

    def drop(self, is_old: Callable[[DataKey], bool]) -> None:
        """Forget the results of jobs that are no longer current."""
        for key in [key for key in self._data if is_old(key)]:
            del self._data[key]

    def subscribe(self, subscriber: Callable[[DataKey, LiveResult], None]) -> Callable[[], None]:
        """Tell a subscriber of each new result; return what ends that."""
        self._subscribers.append(subscriber)

        def end() -> None:
            if subscriber in self._subscribers:
                self._subscribers.remove(subscriber)

        return end


@contextmanager
def collect_updates(data_service: DataService) -> Iterator[list[LiveResult]]:
    """Collect every result that comes within the block."""
    found: list[LiveResult] = []
    end = data_service.subscribe(lambda _, result: found.append(result))
    try:
        yield found
    finally:
        end()
