"""What tests of running stacks share: the shape of `hold`, and a wait for a fact."""

import time
from collections.abc import Callable
from typing import Protocol

from testbeam.hosting.hosted import HostedRun
from testbeam.kit.spec import Service


class Hold(Protocol):
    def __call__(self, *services: Service) -> HostedRun: ...


def until(fact: Callable[[], object], within_s: float) -> None:
    end_s = time.monotonic() + within_s
    while not fact():
        assert time.monotonic() < end_s, f"not within {within_s} s"
        time.sleep(0.002)
