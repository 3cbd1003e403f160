"""Protocols of what devices ask of the session that holds them."""

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from testbeam.transport.nicos.cache import CacheValue
from testbeam.transport.pv_watch import PvWatch
from testbeam.wire.nicos.daemon_words import BreakLevel

if TYPE_CHECKING:
    from testbeam.transport.kafka.client import Kafka
    from testbeam.transport.kafka.listener import KafkaListener


class DeviceCache(Protocol):
    """Where values are kept: the cache, or nothing but memory."""

    def get(self, key: str) -> CacheValue | None:
        """Return a key's newest value."""

    def put(self, key: str, value: Any, *, time_s: float | None = None, ttl_s: float | None = None, no_store: bool = False) -> None:
        """Set a key."""


class Log(Protocol):
    """Messages to the user."""

    def say(self, name: str, level: int, text: str) -> None:
        """Tell something in the name of a device or of nobody."""


class DeviceHost(Protocol):
    """A session, as devices see it."""

    cache: DeviceCache
    log: Log
    devices: dict[str, Any]  # by name; each is a Device, whose module needs this one
    woken: threading.Event  # set when anything that may be waited for has changed

    @property
    def simulated(self) -> bool:
        """Tell whether this is a dry run: nothing may be moved, read from hardware, or sent."""

    @property
    def writes(self) -> bool:
        """Tell whether this session owns the instrument: a poller reads only."""

    @property
    def sysconfig(self) -> Mapping[str, Any]:
        """Return what the setups say of the system: instrument, experiment, data sinks."""

    def now_s(self) -> float:
        """Return the time, s since 1970; in a dry run that of the dry run."""

    def sleep(self, seconds: float, level: int = BreakLevel.IMMEDIATE) -> None:
        """Wait, open for breaks and stops of this level and more urgent ones; in a dry run the time just passes."""

    def breakpoint(self, level: int) -> None:
        """Wait here if a break of this level is asked for; raise where a stop is."""

    def get_device(self, name: str) -> Any:
        """Return a device, made if need be; raise DeviceError where there is none or it can't be made."""

    def find_device(self, name: str) -> Any:
        """Return a device that is there."""

    def alias_target(self, alias: str, kept: str) -> str:
        """Return the device that an alias begins with: what was `kept`, where that is in the setups, else what they prefer, "" for none."""

    def show(self, name: str, time_s: float, data: Any) -> None:
        """Show an array, a spectrum or an image, in the name of a device to whoever looks on."""

    def pvs(self, protocol: str) -> PvWatch:
        """Return the client of "pva" or "ca"."""

    def kafka(self, brokers: Any) -> "Kafka":
        """Return a cluster by its brokers, a list or a text."""

    def listener(self, brokers: Any) -> "KafkaListener":
        """Return the one reader of a cluster's topics."""
