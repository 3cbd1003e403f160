"""A wait of a main thread ends with a signal, whenever that comes."""

import signal
import threading
import time
from collections.abc import Iterator

import pytest

from testbeam.kit import interrupts


@pytest.fixture
def slow_signals() -> Iterator[None]:
    """Have SIGINT taken in without breaking a wait off, as one that comes just before the wait begins."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.siginterrupt(signal.SIGINT, False)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("slow_signals")
def test_a_signal_that_comes_just_before_the_wait_ends_it_all_the_same() -> None:
    main = threading.main_thread().ident
    assert main is not None
    threading.Timer(0.05, signal.pthread_kill, (main, signal.SIGINT)).start()
    begin_s = time.monotonic()

    with pytest.raises(KeyboardInterrupt):
        interrupts.wait(threading.Event())

    assert time.monotonic() - begin_s < 5


def test_the_event_ends_it() -> None:
    event = threading.Event()
    threading.Timer(0.05, event.set).start()

    interrupts.wait(event)

    assert event.is_set()
