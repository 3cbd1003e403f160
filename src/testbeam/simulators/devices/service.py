"""The program of a simulator from its start to its end."""

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from testbeam.errors import SettingsError
from testbeam.simulators.devices.catalog import device_class
from testbeam.simulators.devices.faults import Faults
from testbeam.simulators.devices.server import DeviceServer
from testbeam.simulators.devices.settings import DeviceSettings

log = logging.getLogger("device")


def serve(settings: DeviceSettings, stop: threading.Event) -> None:
    """Simulate a device on a TCP port, or a serial line, until told to stop."""
    kind = device_class(settings.device)
    first = kind.port if settings.port < 0 else settings.port
    servers = [make(settings, index) for index in range(settings.instances)]
    for index, server in enumerate(servers):
        number = server.listen(settings.address, first + index if first else 0)
        log.info("%s listens on %s:%d", settings.device, settings.address, number)
    if settings.line is not None:
        servers[0].open_line(settings.line)
    if settings.backdoor is not None:
        servers[0].open_backdoor(settings.backdoor)
    with _in_threads(servers[1:], stop):
        servers[0].serve(stop)


def make(settings: DeviceSettings, index: int) -> DeviceServer:
    """Return one simulator with the state and faults to begin with.

    Raises:
        SettingsError: one of them can't be.
    """
    device = device_class(settings.device)(settings.seed + index)
    for name, value in _pairs("--set", settings.set):
        device.change(name, _value(value))
    faults = Faults()
    for name, value in _pairs("--fault", settings.fault):
        try:
            faults.change(name, float(value))
        except ValueError:
            raise SettingsError("--fault", f"{name}={value}", "a number") from None
    return DeviceServer(device, faults=faults, speed=settings.speed)


def _pairs(option: str, entries: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for entry in entries:
        name, equal, value = entry.partition("=")
        if not equal:
            raise SettingsError(option, entry, "NAME=VALUE")
        yield name, value


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


@contextmanager
def _in_threads(servers: list[DeviceServer], stop: threading.Event) -> Iterator[None]:
    threads = [threading.Thread(target=server.serve, args=(stop,), daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(2.0)
