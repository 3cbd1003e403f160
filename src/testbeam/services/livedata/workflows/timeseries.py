"""Time series: the values of one PV with their times, each once.

A value that is sent again with the time it had is left out, as senders repeat values at an interval.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from testbeam.errors import WorkflowError
from testbeam.model.arrays import Variable
from testbeam.services.livedata.workflows.seam import Data, LogSample, Output, Temporality

OTHER_VALUE = "another value at the same time"
EARLIER = "earlier than the value before"
REPEATED = "sent again"


class Timeseries:
    """Values that came since the last outputs."""

    def __init__(self, units: str) -> None:
        self.lost: Counter[str] = Counter()
        self._units = units
        self._samples: list[LogSample] = []
        self._last: LogSample | None = None

    def add(self, source: str, data: Data) -> None:
        """Take a value.

        Raises:
            WorkflowError: it is no number.
        """
        if not isinstance(data, LogSample) or np.ndim(data.value):
            raise WorkflowError(f"{source}: a time series takes single numbers")
        if self._last is not None and data.timestamp_ns <= self._last.timestamp_ns:
            self.lost[_why(data, self._last)] += 1
            return
        self._last = data
        self._samples.append(data)

    def outputs(self) -> Sequence[Output]:
        """Return the values that came, with their times."""
        if not self._samples:
            return ()
        samples, self._samples = self._samples, []
        values: Any = np.array([sample.value for sample in samples])
        times = np.array([sample.timestamp_ns for sample in samples], np.int64)
        signal = Variable(name="signal", data=values, axes=("time",), unit=self._units, label="Update")
        time = Variable(name="time", data=times, axes=("time",), unit="ns")
        return (Output(name="delta", temporality=Temporality.SERIES, variables=(signal, time)),)

    def clear(self) -> None:
        """Begin anew."""
        self._samples, self._last = [], None


def _why(sample: LogSample, last: LogSample) -> str:
    if sample.timestamp_ns < last.timestamp_ns:
        return EARLIER
    return REPEATED if sample.value == last.value else OTHER_VALUE
