"""The topics of all roles of a stack that is declared in Python are there before anything asks for them."""

from typing import cast
from uuid import uuid4

import pytest

from testbeam.errors import TransportError
from testbeam.kit.stack import Stack
from testbeam.stacks.roles.broker.declaration import BrokerHandle, broker
from testbeam.stacks.roles.broker.handle import topics_of
from testbeam.stacks.roles.filewriter.declaration import filewriter
from testbeam.stacks.roles.forwarder.declaration import forwarder
from testbeam.stacks.roles.livedata.declaration import livedata


def test_a_broker_and_a_file_writer_are_enough(shared_broker: BrokerHandle) -> None:
    own = f"roles-{uuid4().hex[:8]}"
    topics = {f"{word}_topic": f"{own}_{word}" for word in ("pool", "status", "control")}

    with Stack(broker(bootstrap=shared_broker.bootstrap, topics=(f"{own}_m",)), filewriter(**topics)).run() as run:  # type: ignore[arg-type]
        assert set(shared_broker.topics()) >= {f"{own}_m", *topics.values()}
        assert run["filewriter"].state.name == "READY"


def test_a_service_that_joins_the_run_finds_its_topics(shared_broker: BrokerHandle) -> None:
    own = f"roles-{uuid4().hex[:8]}"
    topics = {f"{word}_topic": f"{own}_{word}" for word in ("config", "status", "storage", "data")}
    late = forwarder(iocs=(), **topics)  # type: ignore[arg-type]

    with Stack(broker(bootstrap=shared_broker.bootstrap)).run() as run, run.add(late) as joined:
        assert set(shared_broker.topics()) >= {*topics.values()}
        assert joined.state.name == "READY"


def test_the_broker_of_a_stack_makes_them_as_they_are_declared() -> None:
    with Stack(broker()).run() as run:
        made = cast("BrokerHandle", run["broker"])
        with run.add(livedata(share="two")):
            partitions = {name: len(made.topic(name).watermarks()) for name in made.topics()}
        made.stop()
        with pytest.raises(TransportError, match=r"broker 'broker' at .* has not made the topics of 'livedata': .*; is it up\?"):
            run.add(livedata()).__enter__()

    declared = {topic.name: topic.partitions for topic in topics_of(broker(), (livedata(share="two"),))}
    assert {name: partitions.get(name) for name in declared} == declared
    assert max(declared.values()) > 1
