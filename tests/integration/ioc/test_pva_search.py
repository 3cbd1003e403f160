"""Clients that know an IOC by `EPICS_PVA_ADDR_LIST` only, as p4p and PVXS do by default, find it at its private address."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from testbeam.kit.environment import scrubbed
from testbeam.kit.run import Run
from testbeam.kit.stack import Stack
from testbeam.stacks.roles.ioc.declaration import IocHandle, ioc
from testbeam.wire.pv_access.messages import frames
from testbeam.wire.pv_access.search import Search, encode_search, parse_found

QSRV = (1, 2)
GET = """
import sys
from p4p.client.thread import Context
with Context("pva") as client:
    for name in sys.argv[1:]:
        value = client.get(name, timeout=60)
        print(name, float(value), value.raw.alarm.message)
"""


@pytest.fixture(scope="module", params=QSRV, ids=[f"QSRV {number}" for number in QSRV])
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Two IOCs, so that the kernel has a choice whose datagram it is."""
    iocs = [ioc(name=name, prefix=f"{name.upper()}:", qsrv=request.param) for name in ("a", "b")]
    with Stack(*iocs).run() as run:
        yield run


def test_p4p_finds_each_ioc_by_the_address_list(run: Run) -> None:
    where = " ".join(run[name].endpoints["pva_search"] for name in "ab")
    environment = scrubbed(os.environ) | {"EPICS_PVA_ADDR_LIST": where, "EPICS_PVA_AUTO_ADDR_LIST": "NO"}
    command = [sys.executable, "-c", GET, "A:TEMP", "B:TEMP"]

    found = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    message = " NO_ALARM" if run["a"].options["qsrv"] == 1 else " "
    assert found.stdout.splitlines() == [f"A:TEMP 293.15{message}", f"B:TEMP 293.15{message}"], found.stderr


def test_a_handle_reads_and_writes_over_pva(run: Run) -> None:
    handle = run["b"]
    assert isinstance(handle, IocHandle)

    handle.pv("B:VOLT").put(7.5)

    assert handle.pv("B:VOLT").get() == 7.5


def test_an_answer_names_the_address_and_the_server_that_hold_the_pv(run: Run) -> None:
    host, _, port = run["a"].endpoints["pva_search"].rpartition(":")
    names = ((1, b"A:TEMP"), (2, b"B:TEMP"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.bind(("127.0.0.1", 0))
        client.settimeout(20)
        client.sendto(b"\xca\x02\x00\x03", (host, int(port)))
        client.sendto(b"no message of PV Access", (host, int(port)))
        client.sendto(
            encode_search(Search(sequence=77, must_reply=False, host="", port=client.getsockname()[1], names=names)), (host, int(port))
        )
        (answer,) = frames(client.recv(65_536))

    found = parse_found(answer)
    assert (found.sequence, found.is_found, found.numbers) == (77, True, (1,))
    assert f"{found.host}:{found.port}" == run["a"].endpoints["pva"]
