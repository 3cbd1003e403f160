"""No socket of any process of the reference stack faces another machine, UDP included."""

import ctypes
import errno
import os
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from testbeam.kit.guard import marked
from testbeam.model.deadline import Deadline
from testbeam.stacks.reference import light_chain
from tests.integration.transport.sockets_of_monitors import facing_others

_SYS_PIDFD_GETFD = 438  # the same on every architecture
_INTERNET = (socket.AF_INET, socket.AF_INET6)


def sockets_of(pid: int) -> Iterator[socket.socket]:
    """Yield a duplicate of each internet socket of a process below this one: of a wildcard only the socket knows its device."""
    libc, process = ctypes.CDLL(None, use_errno=True), os.pidfd_open(pid)
    try:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                if not str(entry.readlink()).startswith("socket:"):
                    continue
                fd = libc.syscall(_SYS_PIDFD_GETFD, process, int(entry.name), 0)
                if fd < 0 and ctypes.get_errno() in (errno.EPERM, errno.ENOSYS):
                    pytest.skip("this kernel lets no process look at the sockets of another")
                if fd < 0:
                    continue  # closed meanwhile
                with socket.socket(fileno=fd) as one:
                    if one.family in _INTERNET:
                        yield one
    finally:
        os.close(process)


@pytest.mark.timeout(200)
def test_every_socket_of_every_process_is_on_loopback() -> None:
    with light_chain(faultable=True).run() as run:
        for protocol in ("pva", "ca"):
            run["forwarder"].forward("VOLT", protocol=protocol, within_s=60)  # type: ignore[attr-defined]
            run["ioc"].pv("VOLT", protocol).get(within_s=60)  # type: ignore[attr-defined]
        run["broker"].topic("tb_motion").expect(source="VOLT", within_s=60)  # type: ignore[attr-defined]
        pids = [os.getpid(), *marked(run.id)]  # this one has clients
        names = {pid: Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")[:120].decode() for pid in pids}
        deadline = Deadline(60.0)  # a socket that a library has just made is tied at the service's next look at its sockets
        while True:
            found = {pid: list(map(facing_others, sockets_of(pid))) for pid in pids}
            facing = {names[pid]: [one for one in where if one] for pid, where in found.items() if any(where)}
            if not facing or deadline.passed:
                break
            time.sleep(0.1)

    assert sum(map(len, found.values())) > 20  # they were seen at all
    assert facing == {}
