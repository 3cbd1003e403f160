"""The topics of all roles of a stack that is declared in Python are there before anything asks for them."""

from uuid import uuid4

from testbeam.kit.stack import Stack
from testbeam.stacks.roles.broker.declaration import BrokerHandle, broker
from testbeam.stacks.roles.filewriter.declaration import filewriter


def test_a_broker_and_a_file_writer_are_enough(shared_broker: BrokerHandle) -> None:
    own = f"roles-{uuid4().hex[:8]}"
    topics = {f"{word}_topic": f"{own}_{word}" for word in ("pool", "status", "control")}

    with Stack(broker(bootstrap=shared_broker.bootstrap, topics=(f"{own}_m",)), filewriter(**topics)).run() as run:  # type: ignore[arg-type]
        assert set(shared_broker.topics()) >= {f"{own}_m", *topics.values()}
        assert run["filewriter"].state.name == "READY"
