"""Which tiny services the kit is tried out with: each a few lines of Python or shell."""

from pathlib import Path

from testbeam.kit.probes.file import FileExists
from testbeam.kit.probes.listening import PortListens
from testbeam.kit.spec import Port, Service

PYTHON = ("${python}", "-I", "-S", "-c")

_LISTEN = """
import socket, sys, time
time.sleep(float(sys.argv[3]))
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind((sys.argv[1], int(sys.argv[2])))
server.listen()
print("listening", flush=True)
while True:
    server.accept()[0].close()
"""

# Ignores SIGTERM, and so do its two descendants: one is its child, the other has cut every tie by a double fork.
_STUBBORN = """
import os, signal, sys, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
pids = open("pids.part", "a")
def stay():
    print(os.getpid(), file=pids, flush=True)
    time.sleep(1000)
if os.fork() == 0:
    stay()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        stay()
    os._exit(0)
os.wait()
print(os.getpid(), file=pids, flush=True)
while len(open("pids.part").readlines()) < 3:
    time.sleep(0.001)
os.rename("pids.part", "pids")
time.sleep(1000)
"""


def python(name: str, code: str, **fields: object) -> Service:
    """Return a service that runs Python code."""
    return Service(name, command=(*PYTHON, code), **fields)  # type: ignore[arg-type]


def listener(name: str, *needs: str, after_s: float = 0.0, **fields: object) -> Service:
    """Return a service that listens on its port after some seconds."""
    return Service(
        name,
        command=(*PYTHON, _LISTEN, "${address}", "${port.main}", str(after_s)),
        needs=needs,
        ports=(Port(name="main"),),
        endpoints={"tcp": "${address}:${port.main}"},
        ready=PortListens("main"),
        **fields,  # type: ignore[arg-type]
    )


def sleeper(name: str, *needs: str, **fields: object) -> Service:
    """Return a service that only is there."""
    return Service(name, command=("sleep", "1000"), needs=needs, **fields)  # type: ignore[arg-type]


def stubborn(name: str, **fields: object) -> Service:
    """Return a service of three processes that ignore SIGTERM, one of them double-forked; its file `pids` names them."""
    return python(name, _STUBBORN, ready=FileExists("pids"), **fields)


def is_alive(pid: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def pids_of(folder: Path) -> list[int]:
    """Return the processes that a stubborn service has named."""
    return [int(line) for line in (folder / "pids").read_text().split()]


def open_descriptors() -> set[str]:
    """Return what every descriptor of this process points to."""
    found = set()
    for fd in Path("/proc/self/fd").iterdir():
        try:
            found.add(f"{fd.name} {fd.readlink()}")
        except FileNotFoundError:
            continue
    return found
