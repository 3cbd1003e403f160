"""On a machine where EPICS software of the site holds the default ports on every address, a stack comes up all the same."""

import subprocess
import sys
from pathlib import Path

import pytest

from testbeam.kit import private_net

STRANGERS = """
import socket

def stranger(kind, port):
    one = socket.socket(socket.AF_INET, kind)
    one.bind(("0.0.0.0", port))  # without SO_REUSEADDR: the port is nobody else's
    if kind == socket.SOCK_STREAM:
        one.listen()
    return one

TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM
"""
ALL_TAKEN = f"""{STRANGERS}
from testbeam import NotReady, Stack, broker, forwarder, ioc

held = [stranger(TCP, 5064), stranger(UDP, 5064), stranger(TCP, 5075), stranger(UDP, 5075), stranger(UDP, 5076)]
with Stack(broker(), ioc(name="first"), ioc(name="ioc", peers=("first",)), forwarder()).run() as run:
    own = run["ioc"].endpoints
    assert not own["ca"].endswith(":5064") and not own["pva"].endswith(":5075"), own
    for protocol, value in (("ca", 3.5), ("pva", 4.5)):
        run["ioc"].pv("VOLT", protocol).put(value, within_s=60)
        assert run["ioc"].pv("VOLT", protocol).get(25) == value
    motion = run["broker"].topic("tb_motion")
    for protocol in ("ca", "pva"):
        run["forwarder"].forward("VOLT", protocol=protocol, within_s=50)
    motion.expect(source="VOLT", value=4.5, within_s=50)
print("came up")
"""
FIXED = f"""{STRANGERS}
from testbeam import PortTaken, Stack, ioc

for kind, port, option, word in (
    (TCP, 5064, "ca_port", "TCP port 5064"), (UDP, 5064, "ca_port", "UDP port 5064"), (TCP, 5075, "pva_port", "TCP port 5075")
):
    with stranger(kind, port):
        try:
            with Stack(ioc(**{{option: port}})).run():
                raise SystemExit("it came up")
        except PortTaken as error:
            assert f"{{word}} of 127." in str(error) and "is taken by pid" in str(error), error
print("said who")
"""

pytestmark = pytest.mark.skipif(not private_net.is_allowed(), reason="this kernel forbids unprivileged user namespaces")


def in_private_network(code: str, folder: Path) -> str:
    argv = [sys.executable, "-m", "testbeam", "private", sys.executable, "-c", code]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_stack_comes_up_on_other_ports_and_its_clients_find_it(tmp_path: Path) -> None:
    assert "came up" in in_private_network(ALL_TAKEN, tmp_path)


def test_a_port_that_was_asked_for_and_is_taken_names_who_has_it_over_tcp_or_udp(tmp_path: Path) -> None:
    assert "said who" in in_private_network(FIXED, tmp_path)
