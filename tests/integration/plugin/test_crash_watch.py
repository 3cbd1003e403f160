"""The end of a service interrupts the test that is running, whatever it waits for, and nothing after it."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from testbeam.errors import ServiceDied
from testbeam.pytest_plugin.crashes import CrashWatch


class Running:
    """A run of which a service may have ended."""

    def __init__(self) -> None:
        self.ended = False

    def check(self) -> None:
        if self.ended:
            raise ServiceDied("service 'ioc' exited with code 3")


@pytest.fixture
def python_own_handler() -> Iterator[None]:
    """Have SIGINT heard, as workers of pytest-xdist ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def run_test(watch: CrashWatch, run: Running, test: Callable[[], object]) -> float:
    """Run a test in which a service ends after 50 ms; return the seconds it took."""
    handle: Any = SimpleNamespace(run=run)

    def crash() -> None:
        run.ended = True
        watch.crashed(handle)

    begin_s = time.monotonic()
    crashing = threading.Timer(0.05, crash)
    crashing.start()
    with pytest.raises(ServiceDied, match="exited with code 3"), watch.armed(run):  # type: ignore[arg-type]
        test()
    took_s = time.monotonic() - begin_s
    crashing.join(60)
    return took_s


@pytest.mark.usefixtures("python_own_handler")
def test_a_wait_that_the_signal_does_not_break_off_is_broken_off_all_the_same() -> None:
    never = threading.Lock()
    never.acquire()

    def wait_on() -> None:
        signal.siginterrupt(signal.SIGINT, False)  # as if it had come just before: taken in, and the wait goes on
        never.acquire()

    assert run_test(CrashWatch(), Running(), wait_on) < 5


@pytest.mark.usefixtures("python_own_handler")
def test_what_comes_after_the_test_is_left_alone() -> None:
    watch = CrashWatch()

    assert run_test(watch, Running(), lambda: time.sleep(60)) < 5
    for thread in threading.enumerate():
        if thread.name == "testbeam-nudge":
            thread.join(60)
            assert not thread.is_alive()
    assert watch.told
    assert signal.getsignal(signal.SIGURG) is signal.SIG_DFL


def test_a_service_of_another_run_interrupts_nobody() -> None:
    watch, run = CrashWatch(), Running()

    with watch.armed(run):  # type: ignore[arg-type]
        watch.crashed(SimpleNamespace(run=Running()))  # type: ignore[arg-type]

    assert not watch.told
