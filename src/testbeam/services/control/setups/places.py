"""Addresses of services, as setups say them: of the cache, of the daemon."""

from collections.abc import Mapping

from testbeam.errors import SettingsError
from testbeam.services.control.setups.declared import Setup

CACHE_PORT = 14869


def cache_of_setups(setups: Mapping[str, Setup]) -> str:
    """Return HOST:PORT of the cache, as the first `sysconfig` that names one has it; "" where none does."""
    return next((str(setup.sysconfig["cache"]) for setup in setups.values() if setup.sysconfig.get("cache")), "")


def host_and_port(option: str, place: str, default_port: int = CACHE_PORT) -> tuple[str, int]:
    """Return the parts of HOST:PORT; raise SettingsError where it is none."""
    host, _, port = place.partition(":")
    if not host or (port and not port.isdigit()):
        raise SettingsError(option, place, "HOST:PORT")
    return host, int(port or default_port)
