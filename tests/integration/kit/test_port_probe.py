"""A probe of a port reaches servers of both kinds of address."""

import socket
from types import SimpleNamespace
from typing import Any

import pytest

from testbeam.kit.probes.listening import PortListens
from testbeam.kit.spec import ProbeResult


def probe(where: str) -> ProbeResult:
    service: Any = SimpleNamespace(ports={}, endpoints={"http": where}, fill=lambda text: text)
    return PortListens("http").check(service)


def listens(where: str, family: socket.AddressFamily) -> ProbeResult:
    address = "::1" if family == socket.AF_INET6 else "127.0.0.1"
    try:
        server = socket.create_server((address, 0), family=family)
    except OSError as error:
        pytest.skip(f"this machine has no {address}: {error}")
    with server:
        number = server.getsockname()[1]
        return probe(f"{where}:{number}")


@pytest.mark.parametrize("where", ["[::1]", "::1"])
def test_a_server_on_ipv6_is_found(where: str) -> None:
    assert listens(where, socket.AF_INET6).ready


@pytest.mark.parametrize("where", ["127.0.0.1", "localhost"])
def test_a_server_on_ipv4_is_found(where: str) -> None:
    assert listens(where, socket.AF_INET).ready


def test_a_port_where_nobody_listens_is_refused() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound and not listening
        seen = probe(f"127.0.0.1:{held.getsockname()[1]}")

    assert not seen.ready
    assert seen.detail.startswith("127.0.0.1:")
    assert seen.detail.endswith("Connection refused")
