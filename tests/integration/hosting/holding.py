"""What tests of running stacks share: the shape of `hold`, and a wait for a fact."""

from typing import Protocol

from testbeam.hosting.hosted import HostedRun
from testbeam.kit.spec import Service


class Hold(Protocol):
    def __call__(self, *services: Service) -> HostedRun: ...
