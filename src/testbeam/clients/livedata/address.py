"""Address of live data: on which Kafka and under which prefix of topics live data is looked for where a test does not say."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from testbeam.errors import SettingsError

ENVIRONMENT = "KAFKA_BOOTSTRAP_SERVERS"


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveDataAddress:
    """A Kafka, and what topics begin with ("": as the instrument says)."""

    bootstrap: str
    prefix: str = ""


_CURRENT: list[LiveDataAddress] = []


def current() -> LiveDataAddress:
    """Return the address in use: the innermost of `using`, else the Kafka that the environment names.

    Raises:
        SettingsError: neither is there.
    """
    if _CURRENT:
        return _CURRENT[-1]
    bootstrap = os.environ.get(ENVIRONMENT, "")
    if not bootstrap:
        ways = f"bootstrap=HOST:PORT, set {ENVIRONMENT}, or ask for the fixture dashboard_backend, which has a Kafka of its own"
        raise SettingsError("bootstrap", bootstrap, ways)
    return LiveDataAddress(bootstrap=bootstrap)


@contextmanager
def using(address: LiveDataAddress) -> Iterator[LiveDataAddress]:
    """Look for live data at this address within the block."""
    _CURRENT.append(address)
    try:
        yield address
    finally:
        _CURRENT.remove(address)
