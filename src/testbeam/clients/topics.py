"""Topic in the hand of a test: send to it, read it, expect something on it."""

import difflib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any

from confluent_kafka import KafkaException, Producer

from testbeam.clients.records import Record, encode, matcher, record
from testbeam.errors import TopicMissing, TransportError, WaitTimeout
from testbeam.model.deadline import Deadline
from testbeam.transport.kafka.client import Kafka, Reader

__all__ = ["Mark", "Record", "Tail", "TopicHandle", "Topics"]

Where = Callable[[Record], bool]

_WITHIN_S = 30.0
_CLOSE_S = 10.0
_OFFSETS_S = 30.0  # where a topic begins and ends, which a busy broker says late
_LOOK_S = 0.02
_MOST = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A place in a topic: the offset of the next message, for each partition."""

    offsets: Mapping[int, int]


Since = int | Mark | None  # a time in ms since 1970, a mark, or everything


class TopicHandle:
    """One topic; `within_s` is always in seconds and ends with an error that says what was seen."""

    def __init__(self, topics: "Topics", name: str) -> None:
        self.name = name
        self._topics = topics

    def __repr__(self) -> str:
        return f"<topic {self.name} on {self._topics.kafka.bootstrap}>"

    def produce(self, value: Any, *, key: bytes | str | None = None, timestamp_ms: int | None = None, within_s: float = _WITHIN_S) -> int:
        """Send bytes, text, or a value of the model in its schema, and wait until the broker has it; return its offset.

        Raises:
            TransportError: the broker did not take it.
            WireError: the value fits no schema.
        """
        return self._topics.send(self.name, encode(value), key.encode() if isinstance(key, str) else key, timestamp_ms, within_s)

    def watermarks(self) -> dict[int, tuple[int, int]]:
        """Return (oldest, next) offset of each partition."""
        with self._topics.kafka.reader() as reader:
            return reader.watermarks(self.name, _OFFSETS_S)

    def count(self) -> int:
        """Return how many messages are on the topic."""
        return sum(high - low for low, high in self.watermarks().values())

    def mark(self) -> Mark:
        """Return the place behind the newest message, for `since`."""
        return Mark(offsets={partition: high for partition, (_, high) in self.watermarks().items()})

    def messages(self, since: Since = None, *, within_s: float = _WITHIN_S) -> list[Record]:
        """Return what is on the topic now, from `since` on, in the order of time; what is sent after this was called is not in it.

        Raises:
            WaitTimeout: it could not all be read within `within_s`.
        """
        deadline, found = Deadline(within_s), list[Record]()
        with self._topics.kafka.reader() as reader:
            bounds = {(self.name, p): (low, high) for p, (low, high) in reader.watermarks(self.name, _OFFSETS_S).items()}
            begins = self._begins(reader, since)
            asked = {place: (max(low, begins.get(place[1], low)), high) for place, (low, high) in bounds.items()}
            try:
                for messages in reader.between(asked, silent_s=within_s):
                    found += map(record, messages)
                    if deadline.passed:
                        raise TransportError("the time is up")
            except TransportError as error:
                raise WaitTimeout(
                    f"{self!r} could not be read to its end within {within_s:g} s; {len(found)} messages were: {error}"
                ) from error
        return sorted(found, key=lambda r: (r.timestamp_ms, r.partition, r.offset))

    def tail(self) -> "Tail":
        """Return a reader of what comes from now on; close it, or use it as a context manager."""
        return Tail(self, self._topics.kafka.reader())

    def expect(
        self,
        *,
        source: str | None = None,
        value: Any = None,
        where: Where | None = None,
        schema: str | None = None,
        since: Since = None,
        within_s: float = 10.0,
    ) -> Record:
        """Return the first message, there already or to come, of this source, with this value, and as `where(record)` asks.

        schema: the four characters of the schema, "al00" say; without it `where` is not asked of messages about a value (alarms al00,
        connections ep01, units un00), which a forwarder sends beside each value. since: look only at messages from this mark
        (`mark()`) or time in ms on. value: a number or an array for f144, a Severity for al00, a ConnectionState for ep01, bytes for
        the whole payload; pytest.approx may stand for a number.

        Raises:
            WaitTimeout: none came within `within_s`; says what was seen instead.
        """
        is_it, seen = matcher(source, value, where, schema), _Seen(source)
        deadline = Deadline(within_s)
        with self._reading(since) as reader:
            while True:
                late = deadline.passed
                for message in reader.read(_MOST, _LOOK_S):
                    candidate = record(message)
                    if is_it(candidate):
                        return candidate
                    seen.add(candidate)
                if late:
                    raise WaitTimeout(f"{self!r}: no message {_words(source, value, where, schema)} within {within_s:g} s; {seen}")

    @contextmanager
    def _reading(self, since: Since) -> Iterator[Reader]:
        with self._topics.kafka.reader() as reader:
            reader.assign({(self.name, partition): offset for partition, offset in self._begins(reader, since).items()})
            yield reader

    def _begins(self, reader: Reader, since: Since) -> dict[int, int]:
        if isinstance(since, Mark):
            return dict(since.offsets)
        if since is not None:
            return reader.offsets_at(self.name, since, _OFFSETS_S)
        return {partition: low for partition, (low, _) in reader.watermarks(self.name, _OFFSETS_S).items()}


class Tail:
    """What comes on a topic after this was made: nothing is missed, nothing comes twice."""

    def __init__(self, topic: TopicHandle, reader: Reader) -> None:
        self.topic = topic
        self._reader = reader
        reader.assign_ends([topic.name], _OFFSETS_S)

    def __enter__(self) -> "Tail":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, within_s: float = 1.0) -> list[Record]:
        """Return what has come since the last read; wait up to `within_s` for the first, and return none if there is none."""
        deadline = Deadline(within_s)
        while True:
            late = deadline.passed
            found = [record(message) for message in self._reader.read(_MOST, _LOOK_S)]
            if found or late:
                return found

    def take(self, count: int, within_s: float = 10.0) -> list[Record]:
        """Return the next `count` messages or a few more, as they came.

        Raises:
            WaitTimeout: fewer came within `within_s`; says how many, and the last.
        """
        deadline = Deadline(within_s)
        found: list[Record] = []
        while len(found) < count:
            if deadline.passed:
                raise WaitTimeout(
                    f"{self.topic!r}: {len(found)} of {count} messages came within {within_s:g} s; last: {found[-1] if found else 'none'}"
                )
            found += self.read(0.05)
        return found

    def close(self) -> None:
        """Leave the broker."""
        self._reader.close()


class Topics:
    """All topics of one cluster, with one producer for all of them; `close` it, or use it as a context manager."""

    def __init__(self, kafka: Kafka) -> None:
        self.kafka = kafka
        self._producer: Producer | None = None
        self._handles: dict[str, TopicHandle] = {}
        self._lock = Lock()

    def __enter__(self) -> "Topics":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def names(self, within_s: float = _WITHIN_S) -> tuple[str, ...]:
        """Return the names of all topics but Kafka's own.

        Raises:
            TransportError: the broker does not answer.
        """
        try:
            topics = self.kafka.admin().list_topics(timeout=within_s).topics
        except KafkaException as error:
            raise TransportError(
                f"{self.kafka.bootstrap}: no metadata within {within_s:g} s ({error.args[0].str()}); is the broker up?"
            ) from error
        return tuple(sorted(name for name in topics if not name.startswith("__")))

    def handle(self, name: str) -> TopicHandle:
        """Return the topic of this name, always the same object.

        Raises:
            TopicMissing: it is not on the broker; near names are given.
            TransportError: the broker does not answer.
        """
        if name not in self._handles and name not in (names := self.names()):
            raise TopicMissing(name, self.kafka.bootstrap, tuple(difflib.get_close_matches(name, names)))
        return self._handles.setdefault(name, TopicHandle(self, name))

    def asked(self) -> tuple[TopicHandle, ...]:
        """Return the topics whose handles were asked for, the newest last."""
        with self._lock:
            return tuple(self._handles.values())

    def send(self, topic: str, payload: bytes, key: bytes | None, timestamp_ms: int | None, within_s: float) -> int:
        """Send one message and wait until the broker has it; return its offset.

        Raises:
            TransportError: it has not.
        """
        answers: list[tuple[Any, Any]] = []
        producer = self._the_producer()
        try:
            producer.produce(topic, payload, key, timestamp=timestamp_ms or 0, on_delivery=lambda *answer: answers.append(answer))
        except (KafkaException, BufferError) as error:
            raise self._not_taken(topic, payload, str(error)) from error
        deadline = Deadline(within_s)
        while not answers and (left_s := deadline.left_s) > 0:
            producer.poll(min(left_s, 0.05))  # the answer may have been handed to another thread's poll
        if not answers:
            raise self._not_taken(topic, payload, f"no answer within {within_s:g} s")
        refusal, message = answers[0]
        if refusal is not None:
            raise self._not_taken(topic, payload, refusal.str())
        return int(message.offset())

    def _the_producer(self) -> Producer:
        with self._lock:
            if self._producer is None:
                # An idempotent producer waits 0.5 s for its number; a test sends one message at a time and waits for each.
                self._producer = self.kafka.producer(linger_ms=0, enable_idempotence=False)
            return self._producer

    def _not_taken(self, topic: str, payload: bytes, why: str) -> TransportError:
        return TransportError(f"{self.kafka.bootstrap}: a message of {len(payload)} bytes was not taken by topic {topic!r}: {why}")

    def close(self) -> None:
        """Leave the broker."""
        with self._lock:
            producer, self._producer = self._producer, None
            self._handles.clear()
        if producer is not None:
            producer.flush(_CLOSE_S)


class _Seen:
    """What `expect` has seen instead of what it looked for, in words."""

    def __init__(self, source: str | None) -> None:
        self._source = source
        self._sources: Counter[str] = Counter()
        self._last: dict[str, Record] = {}
        self._newest: Record | None = None

    def add(self, seen: Record) -> None:
        self._sources[seen.source] += 1
        self._last[seen.source] = self._newest = seen

    def __str__(self) -> str:
        if self._newest is None:
            return "no message was seen"
        number = self._sources.total()
        if self._source is None:
            return f"{number} others were seen, the last: {self._newest}"
        if self._source in self._last:
            return f"{number} others were seen, {self._sources[self._source]} of this source, its last: {self._last[self._source]}"
        near = difflib.get_close_matches(self._source, self._sources, cutoff=0.5) or [
            name or "(none)" for name, _ in self._sources.most_common(5)
        ]
        return f"{number} others were seen, of sources {', '.join(near)}; the last: {self._newest}"


def _words(source: str | None, value: Any, where: Where | None, schema: str | None = None) -> str:
    parts = [f"of source {source!r}"] if source is not None else []
    parts += [f"of schema {schema}"] if schema is not None else []
    parts += [f"with value {value!r:.100}"] if value is not None else []
    parts += [f"as {getattr(where, '__name__', repr(where))} asks"] if where is not None else []
    return " ".join(parts) or "at all"
