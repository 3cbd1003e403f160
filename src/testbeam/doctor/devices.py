"""Examination of sockets tied to the loopback device, so that EPICS' own never face other machines."""

import socket

from testbeam.doctor.finding import Finding, good, limited


def look() -> Finding:
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
