"""Fixtures over a running stack: declare it once (or take the reference stack), and every test shares it under names of its own."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from testbeam.clients.topics import TopicHandle
    from testbeam.kit.run import Run
    from testbeam.kit.spec import Stack


class NewTopic(Protocol):
    """Makes a topic that only this test has."""

    def __call__(self, name: str, partitions: int = 1) -> "TopicHandle":
        """Create a topic whose name ends in `name` and return its handle."""


@pytest.fixture(scope="session")
def stack() -> "Stack":
    """Declare the stack that `run` starts; define a fixture of this name in your conftest.py to test another."""
    from testbeam.stacks.reference import light_chain  # late: pytest loads this plugin even where no test asks for a stack

    return light_chain()


@pytest.fixture(scope="session")
def run(stack: "Stack") -> Iterator["Run"]:
    """Start the stack once a session; its services are `run["broker"]`, `run["ioc"]` and so on."""
    with stack.run() as running:
        yield running


@pytest.fixture
def topic(run: "Run", request: pytest.FixtureRequest) -> NewTopic:
    """Return what makes topics of this test's own, so that tests can share a broker."""
    prefix = f"{re.sub(r'[^a-zA-Z0-9]+', '-', request.node.name)[:60]}-{uuid4().hex[:8]}"

    def new(name: str, partitions: int = 1) -> "TopicHandle":
        broker = run["broker"]
        broker.create_topics({f"{prefix}.{name}": partitions})  # type: ignore[attr-defined]  # the broker role's handle
        handle: TopicHandle = broker.topic(f"{prefix}.{name}")  # type: ignore[attr-defined]
        return handle

    return new


@pytest.fixture(autouse=True)
def _no_service_crashed(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test in whose time a service ended unasked."""
    yield
    if "run" in request.fixturenames:
        request.getfixturevalue("run").check()
