"""Which tiny services are broken in these tests, and how a test talks to them."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from testbeam.kit.handle import Handle
from testbeam.kit.journal import Event
from testbeam.kit.probes.file import FileExists
from testbeam.kit.probes.listening import PortListens
from testbeam.kit.spec import Port, Service
from testbeam.kit.state import State

PYTHON = ("${python}", "-I", "-S", "-c")

_ECHO = """
import socket, sys, threading
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind((sys.argv[1], int(sys.argv[2])))
server.listen()
def serve(client):
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with client:
        try:
            while data := client.recv(65536):
                client.sendall(data)
        except OSError:
            pass
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"""

# Appends a line to its file for each one it can, and says in another file (of constant size) how often it could and could not.
_WRITER = """
import os, time
data, told = open("data", "ab", buffering=0), os.open("told", os.O_RDWR | os.O_CREAT)
written = failed = 0
while True:
    try:
        data.write(b"x" * 100)
        written += 1
    except OSError as error:
        failed += 1
        last = error.errno
    os.pwrite(told, b"%08d %08d %08d" % (written, failed, last if failed else 0), 0)
    os.path.exists("ready") or open("ready", "w").close()
    time.sleep(0.001)
"""

_COUNTER = """
import mmap, os, struct
fd = os.open("count", os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, 8)
shared = memoryview(mmap.mmap(fd, 8)).cast("q")
while True:
    shared[0] += 1
"""

_CLOCK = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
from testbeam.runtime import clock
server = __import__("socket").socket()
server.setsockopt(1, 2, 1)
server.bind((sys.argv[2], int(sys.argv[3])))
server.listen()
while True:
    client = server.accept()[0]
    client.sendall(b"%d %d" % (clock.wall_ns(), time.monotonic_ns()))
    client.close()
"""


def echo(name: str = "echo", **fields: object) -> Service:
    """Return a service that sends back what it gets, directly at `tcp` and through a proxy at `proxied`."""
    return Service(
        name,
        command=(*PYTHON, _ECHO, "${address}", "${port.main}"),
        ports=(Port(name="main"), Port(name="front", forwards_to="main")),
        endpoints={"tcp": "${address}:${port.main}", "proxied": "${address}:${port.front}"},
        ready=PortListens("main"),
        **fields,  # type: ignore[arg-type]
    )


def writer(name: str = "writer", *before: str) -> Service:
    """Return a service that writes to its file `data` without end."""
    return Service(name, command=(*before, *PYTHON, _WRITER), ready=FileExists("ready"))


def counter(name: str = "counter") -> Service:
    """Return a service that counts as fast as it can."""
    return Service(name, command=(*PYTHON, _COUNTER), ready=FileExists("count"))


def clock(name: str = "clock") -> Service:
    """Return a service that tells its wall and its monotonic time to whoever connects."""
    from pathlib import Path

    import testbeam

    return Service(
        name,
        command=("${python}", "-c", _CLOCK, str(Path(testbeam.__file__).parents[1]), "${address}", "${port.main}"),
        ports=(Port(name="main"),),
        endpoints={"tcp": "${address}:${port.main}"},
        env={"TESTBEAM_CLOCK_FILE": "${dir}/clock"},
        ready=PortListens("main"),
    )


@contextmanager
def client(handle: Handle, endpoint: str = "proxied", timeout_s: float = 5.0) -> Iterator[socket.socket]:
    """Connect to a service."""
    host, _, number = handle.endpoints[endpoint].rpartition(":")
    with socket.create_connection((host, int(number)), timeout_s) as one:
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield one


def asked(one: socket.socket, data: bytes = b"x") -> bytes:
    """Send something to an echo and return what comes back."""
    one.sendall(data)
    return received(one, len(data))


def received(one: socket.socket, size: int) -> bytes:
    """Return so many bytes, or fewer where the connection ends."""
    got = b""
    while len(got) < size and (data := one.recv(size - len(got))):
        got += data
    return got


def took_s(one: socket.socket, data: bytes = b"x") -> float:
    """Return how long an echo takes."""
    started_s = time.monotonic()
    assert asked(one, data) == data
    return time.monotonic() - started_s


def counted(handle: Handle) -> int:
    """Return how far a counter has come."""
    return int.from_bytes((handle.folder / "count").read_bytes(), "little")


def state_of(handle: Handle) -> State:
    """Return the state as it is now."""
    return handle.state


def faults_of(events: list[Event]) -> list[tuple[str, str]]:
    """Return phase and name of each fault event."""
    return [(event.data["phase"], event.data["fault"]) for event in events if event.kind == "fault"]
