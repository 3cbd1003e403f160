"""What a block has left in this process: threads, descriptors, children."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from testbeam.kit import guard
from testbeam.model.deadline import Deadline
from tests.integration.kit.small_services import open_descriptors

_MOMENT_S = 5.0  # for what is ending by itself


@contextmanager
def nothing_left() -> Iterator[None]:
    """Fail where something new is left after the block; what other tests have left in this process may end meanwhile."""
    before = _there()
    yield
    deadline = Deadline(_MOMENT_S)
    while left := _there() - before:
        assert not deadline.passed, f"left behind: {sorted(left)}"


def _there() -> set[str]:
    threads = {f"thread {thread.name} {thread.ident}" for thread in threading.enumerate()}
    # a Kafka client of another test connects again when it likes; test_nothing_left.py counts them in a process of its own
    descriptors = set() if "confluent_kafka" in sys.modules else {f"descriptor {one}" for one in open_descriptors()}
    return threads | descriptors | {f"process {pid}" for pid in guard.descendants(os.getpid())}
