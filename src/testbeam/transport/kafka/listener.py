"""Reader of Kafka topics for as long as a program lives: each topic's messages to whoever listens, through outages of the broker.

Positions are pinned when `listen` returns: nothing sent later is missed. One thread reads and calls; what a callback raises is logged.
After a failure, positions are kept, so that what was sent meanwhile comes late rather than never.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from testbeam.errors import TransportError
from testbeam.model.topic_partition import TopicPartition
from testbeam.transport.kafka.client import Kafka, Reader

OnMessage = Callable[[Any], None]  # a confluent_kafka Message
OnIdle = Callable[[], None]
_Listening = tuple[OnMessage, Mapping[int, int]]  # and the first offset of each partition that it is to hear
_WAIT_S = 0.05
_RETRY_S = 0.5
_log = logging.getLogger(__name__)


class KafkaListener:
    """One consumer of one cluster, without a group."""

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka
        self._lock = threading.Lock()
        self._callbacks: dict[str, list[_Listening]] = {}
        self._idle: list[OnIdle] = []
        self._positions: dict[TopicPartition, int] = {}
        self._assigned: dict[TopicPartition, int] = {}
        self._reader: Reader | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kafka-listener", daemon=True)

    def listen(self, topics: Iterable[str], on_message: OnMessage, on_idle: OnIdle | None = None, within_s: float = 10.0) -> None:
        """Give all that is sent to these topics from now on to `on_message`; `on_idle` is called when nothing waits to be read.

        Raises:
            TopicMissing: a topic is not there.
            TransportError: the broker does not answer.
        """
        wanted = list(dict.fromkeys(topics))
        with self._kafka.reader() as reader:
            ends = {topic: {p: high for p, (_low, high) in reader.watermarks(topic, within_s).items()} for topic in wanted}
        with self._lock:
            for topic in wanted:
                if topic not in self._callbacks:
                    self._positions |= {(topic, p): high for p, high in ends[topic].items()}
                self._callbacks.setdefault(topic, []).append((on_message, ends[topic]))
            if on_idle is not None:
                self._idle.append(on_idle)
        if not self._thread.is_alive() and not self._stop.is_set():
            self._thread.start()

    def forget(self, on_message: OnMessage, on_idle: OnIdle | None = None) -> None:
        """Call these no more."""
        with self._lock:
            for topic, callbacks in self._callbacks.items():
                self._callbacks[topic] = [one for one in callbacks if one[0] != on_message]
            if on_idle in self._idle:
                self._idle.remove(on_idle)

    def close(self) -> None:
        """Leave the broker."""
        self._stop.set()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(5)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._read()
            except TransportError as error:
                _log.warning("reading from %s failed and is begun anew: %s", self._kafka.bootstrap, error)
                self._drop_reader()
                self._stop.wait(_RETRY_S)
        self._drop_reader()

    def _read(self) -> None:
        with self._lock:
            positions = dict(self._positions)
        if self._reader is None:
            self._reader, self._assigned = self._kafka.reader(auto_offset_reset="earliest"), {}
        if positions.keys() != self._assigned.keys():
            self._reader.assign(positions)
            self._assigned = positions
        messages = self._reader.read(1000, _WAIT_S)
        with self._lock:  # after the read: who began to listen meanwhile is to hear what came meanwhile
            callbacks, idle = {topic: tuple(calls) for topic, calls in self._callbacks.items()}, tuple(self._idle)
        for message in messages:
            place: Any = (message.topic(), message.partition())
            offset: Any = message.offset()
            self._positions[place] = offset + 1
            _tell(callbacks, message)
        if not messages:
            for call in idle:
                call()

    def _drop_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None


def _tell(callbacks: Mapping[str, tuple[_Listening, ...]], message: Any) -> None:
    for call, begins in callbacks.get(message.topic(), ()):
        if message.offset() < begins.get(message.partition(), 0):
            continue  # sent before this one listened
        try:
            call(message)
        except Exception:  # one listener's error must not end the others' reading
            _log.exception("what listens to topic %r failed at offset %s", message.topic(), message.offset())
