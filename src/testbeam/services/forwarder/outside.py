"""Clocks and openers of connections of a forwarder, and first streams, limits of time and metrics as its settings ask for them."""

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from testbeam.errors import SettingsError, WireError
from testbeam.model.forwarding import Protocol as PvProtocol
from testbeam.model.forwarding import StreamSpec
from testbeam.model.time import NS_PER_DAY, NS_PER_MS
from testbeam.runtime import clock
from testbeam.runtime.counters import Drops
from testbeam.runtime.metrics import GraphiteSender, Metric, node
from testbeam.runtime.status_publisher import StatusPublisher
from testbeam.services.forwarder.addresses import Address, KafkaAddresses
from testbeam.services.forwarder.core import TimestampFilter
from testbeam.services.forwarder.kafka_sender import KafkaSender
from testbeam.services.forwarder.settings import PROG, ForwarderSettings
from testbeam.transport.graphite import DEFAULT_PORT as CARBON_PORT
from testbeam.transport.monitors.protocols import Monitors
from testbeam.wire.forwarder_json import decode_streams


class Commands(Protocol):
    """Where commands come from; see `CommandTopic`."""

    @property
    def ready(self) -> bool:
        """Tell whether no command can be missed any more."""

    @property
    def beside_is_empty(self) -> bool:
        """Tell whether the storage topic had no message at the start."""

    def look(self, wait_s: float, now_s: float) -> list[bytes]:
        """Return the commands that came."""

    def close(self) -> None:
        """Leave the broker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """All that a forwarder has of the world: clocks, and what opens its connections. Tests bring their own."""

    monotonic_s: Callable[[], float] = time.monotonic
    wall_ns: Callable[[], int] = clock.wall_ns
    publisher: Callable[[Address, str, Drops], StatusPublisher] = lambda address, key, drops: StatusPublisher.on(address.kafka, key, drops)
    sender: Callable[..., KafkaSender] | None = None
    monitors: Callable[[PvProtocol], Monitors] | None = None
    commands: Commands | None = None

    def wall_ms(self) -> int:
        """Return the time in ms since 1970."""
        return self.wall_ns() // NS_PER_MS


def stored_beside(addresses: KafkaAddresses) -> str:
    """Return the storage topic where the reader of the commands can tell that there is nothing in it, as in a new stack."""
    storage = addresses.storage
    return "" if storage is None or storage.cluster != addresses.commands.cluster else storage.topic


def timestamp_filter(settings: ForwarderSettings) -> TimestampFilter:
    """Return the limits to EPICS times that the settings ask for."""
    days = settings.first_value_max_age
    return TimestampFilter(first_ns=None if days is None else days * NS_PER_DAY)


def initial_streams(settings: ForwarderSettings) -> tuple[StreamSpec, ...]:
    """Return the streams of `streams_json`; raise SettingsError where the file can't be read as such."""
    if settings.streams_json is None:
        return ()
    try:
        return decode_streams(settings.streams_json.read_bytes())
    except (OSError, WireError) as error:
        raise SettingsError("streams-json", str(settings.streams_json), f'a JSON file with {{"streams": […]}} ({error})') from error


def graphite(settings: ForwarderSettings, collect: Callable[[], tuple[Metric, ...]]) -> GraphiteSender | None:
    """Return what sends `collect`'s metrics to the Graphite server of the settings; raise SettingsError where its address is none."""
    if settings.grafana_carbon_address is None:
        return None
    host, _, port = settings.grafana_carbon_address.partition(":")
    if not host or (port and not port.isdigit()):
        raise SettingsError("grafana-carbon-address", settings.grafana_carbon_address, "host:port")
    prefix = f"{PROG}.{node(socket.gethostname())}.{node(settings.service_id)}"
    return GraphiteSender(host, int(port or CARBON_PORT), prefix, settings.statistics_update_interval, collect)
