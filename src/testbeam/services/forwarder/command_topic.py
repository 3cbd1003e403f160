"""Command topic: all commands that were sent since this program was loaded, whatever happens to broker and topic meanwhile.

The topic is read by offset, without a group: a group would be joined seconds later, and what was sent before would be lost. Reading begins
at the first command that is not older than the program, so that one sent to a forwarder that is still starting counts as well; commands
are idempotent, so one that is read twice after a reconnect does no harm.
"""

from contextlib import suppress
from dataclasses import dataclass, field

from testbeam.errors import TopicMissing, TransportError
from testbeam.services.forwarder.addresses import Address
from testbeam.services.forwarder.status import Problems
from testbeam.transport.kafka.client import Reader

_RETRY_S = 0.02
_PATIENCE_S = 2.0  # for a broker and topics that come up together with the forwarder, before it is called a problem
_ANSWER_S = 1.0  # while Kafka is asked, updates wait
_MOST = 500


@dataclass(slots=True)
class CommandTopic:
    """Reads the command topic; `ready` once its positions are facts. `since_ms` is Kafka time.

    `beside` is another topic of the cluster: `beside_is_empty` tells whether it had no message before the reading began. A connection
    answers in order, so a question put to it later would wait for the commands that don't come.
    """

    address: Address
    problems: Problems
    since_ms: int
    beside: str = ""
    beside_is_empty: bool = False
    ready: bool = False
    _reader: Reader | None = field(default=None)
    _retry_s: float = float("-inf")
    _trying_since_s: float | None = None

    def look(self, wait_s: float, now_s: float) -> list[bytes]:
        """Return the commands that came, waiting up to `wait_s` for the first; not ready, this tries to become so and does not wait."""
        if not self.ready and now_s >= self._retry_s:
            self._try_assign(now_s)
        if self._reader is None or not self.ready:
            return []
        try:
            messages = self._reader.read(_MOST, wait_s)
        except TransportError as error:
            self._lost(error, now_s)
            return []
        self.since_ms = max([self.since_ms, *(message.timestamp()[1] for message in messages)])
        return [message.value() or b"" for message in messages]

    def close(self) -> None:
        """Leave the broker."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        self.ready = False

    def _try_assign(self, now_s: float) -> None:
        topic = self.address.topic
        try:
            if self._reader is None:
                self._reader = self.address.kafka.reader(reconnect_backoff_max_ms=100)
            starts = self._reader.offsets_at(topic, self.since_ms, _ANSWER_S)
            self._look_beside(self._reader)
            self._reader.assign({(topic, p): offset for p, offset in starts.items()})
            self.ready = True
            self._trying_since_s = None
        except TransportError as error:
            self._lost(error, now_s)

    def _look_beside(self, reader: Reader) -> None:
        if self.beside:
            with suppress(TopicMissing):  # whoever reads it says so
                self.beside_is_empty = all(low == high for low, high in reader.watermarks(self.beside, _ANSWER_S).values())
            self.beside = ""

    def _lost(self, error: TransportError, now_s: float) -> None:
        if self._trying_since_s is None:
            self._trying_since_s = now_s
        elif now_s - self._trying_since_s > _PATIENCE_S:
            self.problems.note(f"no commands can be read yet: {error}")
        self.ready = False
        self._retry_s = now_s + _RETRY_S
