"""EPICS variables that keep a server and its clients on private loopback addresses with the default ports.

Source: docs/reference/contracts/ioc.md, "Isolation"; EPICS base 7 and pvxs, lists of environment variables.
"""

import zlib
from collections.abc import Iterable

CA_PORT = 5064
PVA_PORT = 5075
PVA_BROADCAST_PORT = 5076  # UDP: searches

# Below the range from which the kernel hands out ports by itself.
_FIRST_REPEATER_PORT = 12_000
_REPEATER_PORTS = 16_000


def server_environment(
    address: str, ca_port: int | str = CA_PORT, pva_port: int | str = PVA_PORT, broadcast_port: int | str = PVA_BROADCAST_PORT
) -> dict[str, str]:
    """Return what an IOC needs to serve on `address` only; a port may be a template."""
    return {
        "EPICS_CAS_INTF_ADDR_LIST": address,
        "EPICS_CAS_BEACON_ADDR_LIST": address,
        "EPICS_CAS_AUTO_BEACON_ADDR_LIST": "NO",
        "EPICS_CAS_SERVER_PORT": str(ca_port),
        "EPICS_PVAS_INTF_ADDR_LIST": address,
        "EPICS_PVAS_BEACON_ADDR_LIST": address,
        "EPICS_PVAS_AUTO_BEACON_ADDR_LIST": "NO",
        "EPICS_PVAS_SERVER_PORT": str(pva_port),
        "EPICS_PVAS_BROADCAST_PORT": str(broadcast_port),
        "PVXS_QSRV_ENABLE": "YES",
    }


def client_environment(addresses: Iterable[str], pva: Iterable[str] | None = None) -> dict[str, str]:
    """Return what a client needs to reach these servers and no other: CA by UDP unicast, PVA by name server.

    addresses: HOST, or HOST:PORT of Channel Access. pva: HOST:PORT of PV Access (default: the same hosts, on the default port).
    """
    unique = list(dict.fromkeys(addresses))
    name_servers = [f"{address.partition(':')[0]}:{PVA_PORT}" for address in unique] if pva is None else dict.fromkeys(pva)
    return {
        "EPICS_CA_ADDR_LIST": " ".join(unique),
        "EPICS_CA_AUTO_ADDR_LIST": "NO",
        "EPICS_CA_REPEATER_PORT": str(repeater_port(unique)),
        "EPICS_CA_MAX_ARRAY_BYTES": "10000000",
        "EPICS_PVA_ADDR_LIST": "",
        "EPICS_PVA_AUTO_ADDR_LIST": "NO",
        "EPICS_PVA_NAME_SERVERS": " ".join(name_servers),
    }


def repeater_port(addresses: Iterable[str]) -> int:
    """Return a port for the CA repeater that the clients of these addresses share with nobody else's."""
    return _FIRST_REPEATER_PORT + zlib.crc32(" ".join(addresses).encode()) % _REPEATER_PORTS
