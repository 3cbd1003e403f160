"""A worker whose topics are not there says so while it waits."""

from dataclasses import replace

import pytest

from testbeam.errors import NotReady
from testbeam.kit.stack import Stack
from testbeam.stacks.roles.broker.declaration import broker
from testbeam.stacks.roles.livedata.declaration import livedata


def test_a_worker_without_topics_says_which_it_waits_for() -> None:
    service = replace(livedata(instrument="dummy"), ready_timeout_s=8.0)
    with Stack(broker()).run() as run, pytest.raises(NotReady, match=r"waits for topics: .*dummy_"), run.add(service):
        pass
