"""Channels of a detector that are fed from Kafka: counts that live data tell as da00 or f144.

A channel has a fixed stream (`topic` and `source`), or a `selector` within the results that its collector hears. Counts are those since
the start of the counting, so live data need not be told of it; arrays are shown to clients as they come.
Source: docs/reference/contracts/control.md, "Live-data channels".
"""

import threading
from collections.abc import Mapping
from typing import Any, ClassVar

from testbeam.errors import DeviceError
from testbeam.model.arrays import LabelledArray
from testbeam.model.samples import LogValue
from testbeam.model.time import NS_PER_S
from testbeam.services.control.devices.detector import Channel
from testbeam.services.control.devices.kafka_devices import KafkaDevice
from testbeam.services.control.devices.live_counts import Counts, Selector, parse_selector
from testbeam.services.control.devices.params import Param, words
from testbeam.services.control.devices.status import State, Status


class LiveDataChannel(KafkaDevice, Channel):
    """One number of the live data."""

    parameters: ClassVar[Mapping[str, Param]] = {
        "brokers": Param(description="the Kafka cluster of a fixed stream, HOST:PORT each", type=words, default=()),
        "topic": Param(description="topic of a fixed stream", type=str, default=""),
        "source": Param(description="source name of a fixed stream", type=str, default=""),
        "selector": Param(description="instrument/name/version@source[#job][/output], or a label", type=str, settable=True, default=""),
        "fmtstr": Param(description="how the value is shown", type=str, default="%d", settable=True),
        "unit": Param(description="unit of the value", type=str, default="events"),
        "pollinterval": Param(description="how often the poller reads it", default=None),
    }
    field_names: ClassVar[tuple[str, ...]] = ("nicos_ess.devices.datasources.livedata.DataChannel",)
    valuetype: type = float

    def init(self) -> None:
        """Listen, where a fixed stream is named."""
        self._lock = threading.Lock()
        self.collector: Any = None  # the collector that gives it results, once that is made
        self._counting, self._final = False, 0.0
        self._zero: float | None = 0.0
        self._forget_counts()
        self._selected = self._parsed(self.selector)
        if self.topic and not (self.brokers and self.source):
            raise DeviceError(f"device {self.name!r}: with a topic it needs `brokers` and `source`")
        super().init()

    def topics(self) -> list[str]:
        """Return the topic of a fixed stream."""
        return [self.topic] if self.topic else []

    @property
    def selected(self) -> Selector | None:
        """Return what it takes of its collector's results."""
        return self._selected

    def parameter_changes(self, word: str, value: Any) -> Any:
        """Take a selector, or the label of one; counts begin anew."""
        if word == "selector":
            value = self.collector.labels().get(value, value) if self.collector is not None else value
            selected = self._parsed(value)
            with self._lock:
                self._selected = selected
                self._forget_counts()
        return super().parameter_changes(word, value)

    def take(self, message: Any) -> None:
        """Take in a result of the fixed stream."""
        if getattr(message, "source_name", None) == self.source:
            self.take_result(message)

    def take_result(self, message: Any) -> None:
        """Take in a result, and show it where it is an array."""
        found = _number(message)
        if found is None:
            return
        time_ns, value, begin_ns = found
        with self._lock:
            if not self._counts.take(time_ns, value, begin_ns):
                return
            if self._zero is None:  # the first result at all: what it has of a time when nobody listened is not ours
                began_before = begin_ns is None or begin_ns < self._heard_since_s * NS_PER_S
                self._zero = self._counts.total if began_before else 0.0
        self.host.woken.set()
        signal = message.variable("signal") if isinstance(message, LabelledArray) else None
        if signal is not None and not isinstance(signal.data, str) and signal.data.ndim:
            self.host.show(self.name, time_ns / NS_PER_S, signal.data)

    def do_start(self) -> None:
        """Take the counts of now for zero."""
        with self._lock:
            self._zero = self._counts.total if self._counts.newest_ns is not None else None
        self._counting = True

    def finish(self) -> None:
        """Keep what is counted."""
        self._final, self._counting = self._since_start(), False

    def reset(self) -> None:
        """Have the job begin anew from zero; raise DeviceError where nothing can be told to it."""
        if self.collector is None or self._selected is None:
            raise DeviceError(f"{self.name}: there is no job to be reset; a collector has to have it, and a selector to be set")
        self.collector.reset_job(self._selected)

    def do_read(self) -> float:
        """Return the counts since the start."""
        return self._since_start() if self._counting else self._final

    def do_status(self) -> Status:
        """Return whether counts come."""
        if not self.topic and self._selected is None:
            return State.WARN, f"nothing is selected; {self.name}.selector = 'instrument/name/version@source' does"
        if self._counts.newest_ns is None:
            where = f"{self.source!r} on topic {self.topic!r}" if self.topic else str(self._selected)
            return State.WARN, f"nothing came from {where} yet"
        return (State.BUSY, "counting") if self._counting else (State.OK, "idle")

    def _parsed(self, text: str) -> Selector | None:
        try:
            return parse_selector(text) if text else None
        except (ValueError, KeyError) as error:
            known = ", ".join(self.collector.labels()) if self.collector is not None else ""
            raise DeviceError(f"{self.name}: {error}{f'; there are {known}' if known else ''}") from None

    def _forget_counts(self) -> None:
        self._counts, self._heard_since_s = Counts(), self.host.now_s()
        self._zero = 0.0

    def _since_start(self) -> float:
        with self._lock:
            return self._counts.total - self._zero if self._zero is not None else 0.0


def _number(message: Any) -> tuple[int, float, int | None] | None:
    """Return time (ns), sum and begin (ns) of an f144 or da00. Of live data the time is a variable: its message has that of the begin."""
    if isinstance(message, LogValue):
        return (message.timestamp_ns, float(message.value), None) if not getattr(message.value, "shape", ()) else None
    signal = message.variable("signal") if isinstance(message, LabelledArray) else None
    if signal is None or isinstance(signal.data, str):
        return None
    times = [message.variable(name) for name in ("end_time", "time", "start_time")]
    end_ns, time_ns, begin_ns = (int(one.data) if one is not None and getattr(one.data, "shape", None) == () else None for one in times)
    return end_ns or time_ns or message.timestamp_ns, float(signal.data.sum()), begin_ns
