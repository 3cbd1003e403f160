"""Which variables keep an EPICS server and its clients on private loopback addresses with the default ports.

Source: docs/reference/contracts/ioc.md, "Isolation"; EPICS base 7 and pvxs, lists of environment variables.
"""

import zlib
from collections.abc import Iterable

CA_PORT = 5064
PVA_PORT = 5075

# Below the range from which the kernel hands out ports by itself.
_FIRST_REPEATER_PORT = 12_000
_REPEATER_PORTS = 16_000


def server_environment(address: str) -> dict[str, str]:
    """Return what an IOC needs to serve on `address` only, on the default ports."""
    return {
        "EPICS_CAS_INTF_ADDR_LIST": address,
        "EPICS_CAS_BEACON_ADDR_LIST": address,
        "EPICS_CAS_AUTO_BEACON_ADDR_LIST": "NO",
        "EPICS_CAS_SERVER_PORT": str(CA_PORT),
        "EPICS_PVAS_INTF_ADDR_LIST": address,
        "EPICS_PVAS_BEACON_ADDR_LIST": address,
        "EPICS_PVAS_AUTO_BEACON_ADDR_LIST": "NO",
        "EPICS_PVAS_SERVER_PORT": str(PVA_PORT),
        "PVXS_QSRV_ENABLE": "YES",
    }


def client_environment(addresses: Iterable[str]) -> dict[str, str]:
    """Return what a client needs to reach the servers on `addresses` and no other: CA by UDP unicast, PVA by name server."""
    unique = list(dict.fromkeys(addresses))
    return {
        "EPICS_CA_ADDR_LIST": " ".join(unique),
        "EPICS_CA_AUTO_ADDR_LIST": "NO",
        "EPICS_CA_REPEATER_PORT": str(repeater_port(unique)),
        "EPICS_CA_MAX_ARRAY_BYTES": "10000000",
        "EPICS_PVA_ADDR_LIST": "",
        "EPICS_PVA_AUTO_ADDR_LIST": "NO",
        "EPICS_PVA_NAME_SERVERS": " ".join(f"{address}:{PVA_PORT}" for address in unique),
    }


def repeater_port(addresses: Iterable[str]) -> int:
    """Return a port for the CA repeater that the clients of these addresses share with nobody else's."""
    return _FIRST_REPEATER_PORT + zlib.crc32(" ".join(addresses).encode()) % _REPEATER_PORTS
