"""The stack of the control suite: the four programs, PVs, forwarder and file-writer; one daemon, whose tests run one after the other."""

import fcntl
import socket
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from testbeam.clients.control import Client
from testbeam.hosting import registry
from testbeam.kit.stack import Stack
from testbeam.pytest_plugin.fixtures import shared_run as shared_run  # this suite's own, where one session runs several
from testbeam.pytest_plugin.keys import WORKER_INPUT
from testbeam.stacks.control import control_stack
from testbeam.suites.subject import Subject

_FOLDER = Path(__file__).parent
SETUPS = ("system", "epics_basic", "detector")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Run one of these tests at a time, also where workers share the stack: they share the one daemon.

    Not in a fixture: a test's own time would run while it waits for its turn.
    """
    session = getattr(item.config, "workerinput", {}).get(WORKER_INPUT)
    if session is None or not item.path.is_relative_to(_FOLDER):
        return (yield)
    with (registry.make_session_folder(session["key"]) / "control-suite.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return (yield)


@pytest.fixture(scope="session")
def stack(subject: Subject) -> Stack:
    return subject.stack(control_stack())


@pytest.fixture(scope="session")
def ours(subject: Subject) -> bool:
    """Whether it is testbeam's own control: then more is asked of it."""
    return subject.is_ours("control")


@pytest.fixture(scope="module")
def smoke_client(shared_run: Any) -> Iterator[Client]:
    """A client of the daemon, whatever the tests before have left behind."""
    with shared_run["daemon"].client(user="admin", password="admin") as client:
        yield client


@pytest.fixture
def client(smoke_client: Client) -> Client:
    """The client, with the daemon idle and the setups loaded."""
    if smoke_client.getstatus()["status"][0] >= 0:
        smoke_client.emergency()
    smoke_client.wait_idle()
    if not set(SETUPS) <= set(smoke_client.getstatus()["setups"][1]):
        smoke_client.NewSetup(*SETUPS, timeout=90)
        smoke_client.NewExperiment(1234, "suite", [{"name": "contact"}], [{"name": "user"}])
        smoke_client.NewSample("sample")
        smoke_client.SetDetectors("det")
    return smoke_client


@pytest.fixture
def connect(shared_run: Any) -> Iterator[Callable[[str], socket.socket]]:
    """What opens a bare connection to the cache or the daemon."""
    opened: list[socket.socket] = []

    def connected(part: str) -> socket.socket:
        host, _, port = shared_run[part].endpoints[part].rpartition(":")
        opened.append(socket.create_connection((host, int(port)), 5))
        return opened[-1]

    yield connected
    for one in opened:
        one.close()
