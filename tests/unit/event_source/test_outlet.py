"""What the event source does with each message's fate."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from testbeam.simulators.event_source.outlet import ACKNOWLEDGED, Outlet

LOG = logging.getLogger("event-source-test")


class Error:
    """A Kafka error, as delivery reports have it."""

    def name(self) -> str:
        return "_MSG_TIMED_OUT"

    def str(self) -> str:
        return "Local: Message timed out"


@dataclass
class Report:
    """The message of a delivery report."""

    name: str

    def topic(self) -> str:
        return self.name


@dataclass
class Queue:
    """A producer with room for some messages until it is polled; `errors` go to the next deliveries."""

    room: int = 10
    errors: list[Error | None] = field(default_factory=list)
    waiting: list[tuple[str, Callable[[Any, Any], None] | None]] = field(default_factory=list)
    polled: Callable[[], None] = lambda: None

    def produce(self, topic: str, _payload: bytes, **more: Any) -> None:
        if len(self.waiting) >= self.room:
            raise BufferError
        self.waiting.append((topic, more.get("on_delivery")))

    def poll(self, wait_s: float) -> int:
        self.polled()
        return self.deliver() if wait_s == 0 or self.polled.__name__ != "stopping" else 0

    def flush(self, _within_s: float) -> int:
        return len(self.waiting)

    def deliver(self) -> int:
        for topic, report in self.waiting:
            error = self.errors.pop(0) if self.errors else None
            if report:
                report(error, Report(topic))
        count = len(self.waiting)
        self.waiting.clear()
        return count


def test_each_message_is_delivered_or_dropped_with_the_brokers_reason() -> None:
    outlet = Outlet(Queue(errors=[None, Error()]), threading.Event(), LOG)
    for _ in range(3):
        outlet.send("t", b"", key="k", timestamp_ms=1)
    outlet.look()

    assert outlet.delivered == 2
    assert dict(outlet.drops.counts) == {"broker: _MSG_TIMED_OUT": 1}


def test_a_full_queue_is_waited_for() -> None:
    queue = Queue(room=1)
    outlet = Outlet(queue, threading.Event(), LOG)
    for _ in range(3):
        outlet.send("t", b"", key="k", timestamp_ms=1)
    outlet.look()

    assert (outlet.delivered, outlet.drops.total) == (3, 0)


def test_a_full_queue_is_not_waited_for_after_the_stop() -> None:
    stop = threading.Event()

    def stopping() -> None:
        stop.set()

    outlet = Outlet(Queue(room=1, polled=stopping), stop, LOG)
    for _ in range(2):
        outlet.send("t", b"", key="k", timestamp_ms=1)
    outlet.close(0)

    assert dict(outlet.drops.counts) == {"told to stop with a full queue": 1, "not acknowledged before the end": 1}


def test_the_log_says_once_that_it_is_ready_in_the_words_that_the_probe_waits_for(caplog: pytest.LogCaptureFixture) -> None:
    outlet = Outlet(Queue(), threading.Event(), LOG)
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            outlet.send("t", b"", key="k", timestamp_ms=1)
        outlet.look()

    assert caplog.messages == [ACKNOWLEDGED]
