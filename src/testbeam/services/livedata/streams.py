"""Streams: which name within the instrument a topic and source name stand for, and how many messages came from each."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from testbeam.instruments.loader import Instrument, KafkaStream
from testbeam.instruments.topics import InstrumentTopics

STATISTICS_S = 30.0
MOST_UNMAPPED = 100  # unknown sources that are listed
_MOST_CHARACTERS = 200  # of an unknown source, which may be of any length


@dataclass(slots=True)
class StreamMap:
    """Topic and source name → name within the instrument; a detector may have several sources.

    In `production` detectors and monitors have other topics and source names than in development.
    """

    by_stream: dict[tuple[str, str], str] = field(default_factory=dict)

    @classmethod
    def of(cls, instrument: Instrument, topics: InstrumentTopics, *, production: bool = False) -> "StreamMap":
        """Return the map of an instrument."""
        found: dict[tuple[str, str], str] = {}
        for detector in instrument.detectors:
            here = tuple(KafkaStream(topic=topics.detector, source=source) for source in detector.sources)
            found |= {(stream.topic, stream.source): detector.name for stream in (detector.production if production else here)}
        for monitor in instrument.monitors:
            found[topics.beam_monitor, monitor.production_source if production else monitor.source] = monitor.name
        found |= {(topics.area_detector, camera.name): camera.name for camera in instrument.area_detectors}
        found |= {(topics.motion, log.source): log.name for log in instrument.logs}
        return cls(found)

    def topics_of(self, names: Iterable[str]) -> set[str]:
        """Return the topics on which these are."""
        wanted = set(names)
        return {topic for (topic, _), name in self.by_stream.items() if name in wanted}


@dataclass(slots=True)
class StreamStatistics:
    """Messages by topic and source in the last complete interval; the last statistics stay until the next."""

    streams: StreamMap
    last: Mapping[str, Any] | None = None
    _counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    _unmapped: Counter[tuple[str, str]] = field(default_factory=Counter)
    _since_s: float | None = None

    def add(self, topic: str, source: str, messages: int) -> None:
        """Count messages."""
        if (topic, source) in self.streams.by_stream:
            self._counts[topic, source] += messages
            return
        unmapped = topic, source[:_MOST_CHARACTERS]
        if unmapped in self._unmapped or len(self._unmapped) < MOST_UNMAPPED:
            self._unmapped[unmapped] += messages

    def look(self, now_s: float) -> Mapping[str, Any] | None:
        """Return the last statistics, as heartbeats carry them."""
        if self._since_s is None:
            self._since_s = now_s
        elapsed_s = now_s - self._since_s
        if elapsed_s >= STATISTICS_S or (self.last is None and (self._counts or self._unmapped) and elapsed_s >= 1.0):
            counts = sorted([*self._counts.items(), *self._unmapped.items()])
            self.last = {"window_seconds": round(elapsed_s, 3), "streams": [self._tree(*one) for one in counts]}
            self._counts.clear()
            self._unmapped.clear()
            self._since_s = now_s
        return self.last

    def _tree(self, stream: tuple[str, str], count: int) -> dict[str, Any]:
        topic, source = stream
        return {"topic": topic, "source_name": source, "stream": self.streams.by_stream.get(stream), "count": count}
