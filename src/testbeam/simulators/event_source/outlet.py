"""Outcome of each message that was handed to Kafka: acknowledged, or dropped with a reason."""

import logging
import threading
from typing import Any

from testbeam.runtime.counters import Drops

ACKNOWLEDGED = "Kafka has acknowledged the first events"
_WAIT_S = 0.1
_LEAVE_WITHIN_S = 5.0


class Outlet:
    """A producer whose every message is accounted for; says so in the log when the first data message is acknowledged."""

    def __init__(self, producer: Any, stop: threading.Event, log: logging.Logger) -> None:
        self.delivered = 0
        self.drops = Drops(log)
        self._producer = producer
        self._stop = stop
        self._log = log

    def send(self, topic: str, payload: bytes, *, key: str, timestamp_ms: int) -> None:
        """Hand over a message; wait while the producer's queue is full, unless told to stop."""
        while True:
            try:
                self._producer.produce(topic, payload, key=key, timestamp=timestamp_ms, on_delivery=self._acknowledged)
            except BufferError:
                if self._stop.is_set():
                    self.drops.add("told to stop with a full queue", topic)
                    return
                self._producer.poll(_WAIT_S)
            else:
                return

    def look(self) -> None:
        """Take in acknowledgements that have come."""
        self._producer.poll(0)

    def flush(self, within_s: float = _LEAVE_WITHIN_S) -> int:
        """Wait until all is acknowledged; return how many are not."""
        return int(self._producer.flush(within_s))

    def close(self, within_s: float = _LEAVE_WITHIN_S) -> None:
        """Flush; what the broker did not take by then is counted as dropped."""
        left = self.flush(within_s)
        if left:
            self.drops.add("not acknowledged before the end", n=left)

    def _acknowledged(self, error: Any, message: Any) -> None:
        if error is not None:
            self.drops.add(f"broker: {error.name()}", f"{message.topic()}: {error.str()}")
            return
        self.delivered += 1
        if self.delivered == 1:
            self._log.info(ACKNOWLEDGED)
