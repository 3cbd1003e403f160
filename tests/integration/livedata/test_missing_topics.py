"""A worker whose topics are not there says so while it waits."""

from dataclasses import replace

import pytest

from testbeam.errors import NotReady
from testbeam.kit.stack import Stack
from testbeam.stacks.roles.broker.declaration import broker
from testbeam.stacks.roles.livedata.declaration import livedata


def test_a_worker_without_topics_says_which_it_waits_for() -> None:
    service = livedata(instrument="dummy")
    service = replace(service, ready_timeout_s=8.0, options={**service.options, "topics": ()})  # so that the run does not make them
    with Stack(broker()).run() as run, pytest.raises(NotReady, match=r"waits for topics: .*dummy_"), run.add(service):
        pass
