"""Descriptors beyond 1,024 are told as all others."""

import fcntl
import os
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from testbeam.transport.readiness import ready

HIGH = 1500


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    """A pipe whose ends have high numbers."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    low = os.pipe()
    high = tuple(fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, HIGH) for one in low)
    for one in low:
        os.close(one)
    with ExitStack() as open_:
        for one in high:
            open_.callback(os.close, one)
        yield high[0], high[1]


def test_what_can_be_read_and_written_is_told(ends: tuple[int, int]) -> None:
    begin, end = ends
    assert ready([begin], [end], 0) == (set(), {end})
    os.write(end, b"x")
    assert ready([begin], timeout_s=60) == ({begin}, set())
    assert ready([begin], [end]) == ({begin}, {end})


def test_a_wait_ends_by_its_time(ends: tuple[int, int]) -> None:
    begin_s = time.monotonic()
    assert ready([ends[0]], timeout_s=0.05) == (set(), set())
    assert time.monotonic() - begin_s >= 0.05


def test_an_end_can_be_read() -> None:
    one, other = socket.socketpair()
    with one:
        other.close()
        assert ready([one.fileno()], timeout_s=60)[0] == {one.fileno()}
