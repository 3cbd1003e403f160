"""Fixtures that a test may ask for by name."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from testbeam.errors import StackError, TestbeamError
from testbeam.pytest_plugin.keys import BEGIN, EXCLUSIVE, RUN, SHARED_RUN

if TYPE_CHECKING:
    from testbeam.clients.control import Client
    from testbeam.clients.pvs import PvHandle, PvProtocol
    from testbeam.clients.topics import TopicHandle
    from testbeam.kit.protocols import RunLike
    from testbeam.kit.stack import Stack
    from testbeam.pytest_plugin.sharing import SharedRuns


class NewTopic(Protocol):
    """Makes a topic that only this test has."""

    def __call__(self, name: str, partitions: int = 1) -> "TopicHandle":
        """Create a topic whose name ends in `name` and return its handle."""


class NewName(Protocol):
    """Makes names that only this test has."""

    def __call__(self, word: str) -> str:
        """Return a name that ends in `word`: of a source, a file, a job."""


class FindPv(Protocol):
    """Finds PVs by name, whichever IOC has them."""

    def __call__(self, name: str, protocol: "PvProtocol" = "pva") -> "PvHandle":
        """Return the PV of this full name."""


@pytest.fixture(scope="session")
def stack(pytestconfig: pytest.Config) -> "Stack":
    """Declare the stack that `run` starts: that of the testbeam.toml, as `testbeam up` finds it, else the reference stack.

    Define a fixture of this name in your conftest.py to test another.
    """
    from testbeam.pytest_plugin import telling  # late: pytest loads this plugin even where no test asks for a stack
    from testbeam.stacks.toml import file as toml_file

    found = toml_file.find(pytestconfig.invocation_params.dir) or toml_file.find(pytestconfig.rootpath)
    try:
        declaration = toml_file.load(found) if found else toml_file.reference()
    except TestbeamError as error:
        pytest.fail(str(error), pytrace=False)  # what is wrong stands in the file: our own lines would only be in the way
    if found is None:
        telling.say(pytestconfig, toml_file.why_reference(declaration))
    return declaration.stack


@pytest.fixture(scope="session")
def _shared_runs(pytestconfig: pytest.Config) -> "Iterator[SharedRuns]":
    from testbeam.pytest_plugin.sharing import SharedRuns  # late, as everything that a session without a stack does not need

    with SharedRuns(pytestconfig) as runs:
        yield runs


@pytest.fixture(scope="session")
def shared_run(stack: "Stack", _shared_runs: "SharedRuns", pytestconfig: pytest.Config) -> "RunLike":
    """Start the stack once a session, for all workers of pytest-xdist; what fixtures wider than a test build on.

    With --testbeam-attach join the one that is up.
    """
    _shared_runs.first = stack
    running = pytestconfig.stash[SHARED_RUN] = _shared_runs.of(stack)
    return running


@pytest.fixture
def run(request: pytest.FixtureRequest) -> "Iterator[RunLike]":
    """Give the running stack; its services are `run["broker"]`, `run["ioc"]` and so on.

    It is shared by all tests of the same `stack`, but one that is marked `testbeam_exclusive` gets its own, to break as it likes.
    """
    if request.node.get_closest_marker(EXCLUSIVE) is None:
        stack, runs = request.getfixturevalue("stack"), request.getfixturevalue("_shared_runs")
        # pytest makes `shared_run` once a session, and so for the first stack only; a module may have another
        running = _begin(request.node, request.getfixturevalue("shared_run") if runs.first in (None, stack) else runs.of(stack))
        yield running
        for handle in running.handles.values():
            handle.end_test()
        return
    from testbeam.pytest_plugin import sharing

    with sharing.own(request.getfixturevalue("stack"), request.config) as running:
        yield _begin(request.node, running)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> NewName:
    """Return what makes names of this test's own: of sources, files, jobs."""
    prefix = own_prefix(request.node.name)
    return lambda word: f"{prefix}.{word}"


@pytest.fixture(scope="module")
def smoke_client(request: pytest.FixtureRequest) -> "Iterator[Client]":
    """Give a client of a daemon that is up with all that is behind it: the stack of instrument control, of this module's own.

    The demo instrument's setups are there to be loaded; define a fixture `control_setups` that returns folders of your own.
    """
    from testbeam.stacks.control import control_stack  # late, as in `stack`

    setups = request.getfixturevalue("control_setups") if _has_fixture(request, "control_setups") else ()
    with control_stack(setups=setups).run() as running:
        daemon: Any = running["daemon"]
        with daemon.client(user="admin", password="admin") as client:  # noqa: S106 — the demo setups'
            yield client


@pytest.fixture
def topic(run: "RunLike", name: NewName) -> NewTopic:
    """Return what makes topics of this test's own, so that tests can share a broker."""
    return topics_of(run, name)


@pytest.fixture
def pv(run: "RunLike") -> FindPv:
    """Return what finds a PV by its name, whichever IOC of the stack has it."""
    return pvs_of(run)


def _has_fixture(request: pytest.FixtureRequest, fixture: str) -> bool:
    try:
        request.getfixturevalue(fixture)
    except pytest.FixtureLookupError:
        return False
    return True


def own_prefix(word: str) -> str:
    """Return what makes names begin that nobody else has, and that a topic may have."""
    from uuid import uuid4

    return f"{re.sub(r'[^a-zA-Z0-9]+', '-', word)[:60]}-{uuid4().hex[:8]}"


def topics_of(run: "RunLike", named: NewName) -> NewTopic:
    """Return what makes topics on the broker of a run, with names that `named` makes."""

    def new(name: str, partitions: int = 1) -> "TopicHandle":
        broker: Any = next((handle for handle in run.handles.values() if handle.service.role == "broker"), None)
        if broker is None:
            raise StackError(f'topic({name!r}): this stack has no broker; add one: [services.broker] with role = "broker", or broker()')
        broker.create_topics({named(name): partitions})
        handle: TopicHandle = broker.topic(named(name))
        return handle

    return new


def pvs_of(run: "RunLike") -> FindPv:
    """Return what finds PVs among the IOCs of a run; a name that no IOC lists is asked of the first one, which then says so."""

    def find(name: str, protocol: "PvProtocol" = "pva") -> "PvHandle":
        iocs: list[Any] = [handle for handle in run.handles.values() if handle.service.role == "ioc"]
        if not iocs:
            raise StackError(f'pv({name!r}): this stack has no IOC; declare one, such as  ioc("your.db")')
        record = name.partition(".")[0]
        having = [ioc for ioc in iocs if record in ioc.records]
        found: PvHandle = (having or iocs)[0].pv(name, protocol)
        return found

    return find


def _begin(item: pytest.Item, running: "RunLike") -> "RunLike":
    """Note whose run it is, and where its time begins; a run that lost a service before passes no test."""
    running.check()
    item.stash[RUN] = running
    item.stash[BEGIN] = running.mark("test", test=item.nodeid)
    for handle in running.handles.values():
        handle.begin_test()
    return running
