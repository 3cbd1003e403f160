"""Loopback addresses, default ports of EPICS, sockets tied to `lo`, networks of one's own."""

import socket
import subprocess
from pathlib import Path

from testbeam.doctor.examination import Finding, good, lacking, limited
from testbeam.errors import PortTaken
from testbeam.kit import host, ports
from testbeam.transport.epics_environment import CA_PORT, PVA_BROADCAST_PORT, PVA_PORT

_TCP: host.Protocol = "tcp"
_UDP: host.Protocol = "udp"
_LOOPBACK_ANSWER_S = 1.0


def look_at_addresses() -> Finding:
    """Lease an address, listen there and connect."""
    try:
        lease = ports.lease()
    except PortTaken as error:
        return lacking(str(error), "stop other runs, and raise the limit of open files: ulimit -n 4096")
    try:
        with socket.create_server((lease.address, 0)) as server, socket.create_connection(server.getsockname(), timeout=_LOOPBACK_ANSWER_S):
            return good(f"{lease.address} is leased and answers over TCP")
    except OSError as error:
        return lacking(
            f"a connection within {lease.address} fails: {error.strerror or error}",
            "bring the loopback device up (sudo ip link set lo up), and see that it has 127.0.0.1/8 and that no firewall filters it",
        )
    finally:
        lease.release()


def look_at_datagrams() -> Finding:
    """Send a datagram from one address to another."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here:
        try:
            there.bind(("127.66.0.1", 0))
            there.settimeout(_LOOPBACK_ANSWER_S)
            here.bind(("127.66.0.2", 0))
            here.sendto(b"testbeam", there.getsockname())
            return good(f"a datagram from {there.recvfrom(64)[1][0]} came to 127.66.0.1")
        except OSError as error:
            return lacking(
                f"no datagram comes from 127.66.0.2 to 127.66.0.1: {error.strerror or error}",
                "Channel Access searches by UDP: let it through on the loopback device (nft list ruleset)",
            )


def look_at_epics_ports() -> Finding:
    """Ask who holds the usual ports on every address, or on 127.0.0.1; those for datagrams are shared, unless somebody has one alone."""
    return judge_epics_ports(
        [
            str(one)
            for port, protocol in ((CA_PORT, _TCP), (CA_PORT, _UDP), (PVA_PORT, _TCP), (PVA_BROADCAST_PORT, _UDP))
            if protocol == _TCP or ports.is_refused(ports.LOOPBACK, port)
            for one in host.port_holders(port, protocol, ports.LOOPBACK)
        ]
    )


def judge_epics_ports(holders: list[str]) -> Finding:
    """Say who holds them; an IOC of ours takes other ports where it can't have these."""
    if not holders:
        return good(f"{CA_PORT}, {PVA_PORT} and {PVA_BROADCAST_PORT} are free, TCP and UDP")
    return limited(
        f"the usual ports are held by {', '.join(dict.fromkeys(holders))}; stacks come up all the same, on other ports where they must",
        'tools of your own find those servers, unless they are led to the stack: eval "$(testbeam env)"',
    )


def look_at_devices() -> Finding:
    """Tie one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        try:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo\0")
        except OSError as error:
            return limited(
                f"SO_BINDTODEVICE is refused: {error.strerror}",
                "a kernel from 5.7 on allows it to everybody; until then IOCs listen for UDP on all devices: keep a firewall up",
            )
    return good("SO_BINDTODEVICE lo is allowed")


_NAMESPACES_SETTINGS = {  # what forbids it, and how it is allowed
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": ("1", "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"),
    "/proc/sys/kernel/unprivileged_userns_clone": ("0", "sudo sysctl kernel.unprivileged_userns_clone=1"),
    "/proc/sys/user/max_user_namespaces": ("0", "sudo sysctl user.max_user_namespaces=15000"),
}
_NAMESPACES_ARGV = ("unshare", "--user", "--map-root-user", "--net", "ip", "link", "set", "lo", "up")


def look_at_namespaces() -> Finding:
    """Make one."""
    try:
        done = subprocess.run(_NAMESPACES_ARGV, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=4.0, check=False)
    except FileNotFoundError:
        return limited("unshare is not installed; ports and 127.x.y.z addresses are used", "sudo apt-get install -y util-linux iproute2")
    settings = {path: Path(path).read_text().strip() for path in _NAMESPACES_SETTINGS if Path(path).exists()}
    return judge_namespaces(done.returncode, done.stderr.strip(), settings)


def judge_namespaces(code: int, said: str, settings: dict[str, str]) -> Finding:
    """Say why it is forbidden, if it is; without them a stack uses held ports and leased addresses, and loses nothing else."""
    if code == 0:
        return good("user and network namespaces are allowed")
    cause = next((remedy for path, (forbidding, remedy) in _NAMESPACES_SETTINGS.items() if settings.get(path) == forbidding), "")
    why = said.splitlines()[-1] if said else f"unshare ended with code {code}"
    return limited(
        f"user and network namespaces are refused ({why}); ports and 127.x.y.z addresses are used",
        cause or "if this is a container, run it with --security-opt seccomp=unconfined, or on the machine itself",
    )
