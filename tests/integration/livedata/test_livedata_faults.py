"""Live data through faults: a broker that freezes under load, and ends at any moment; long, for `make soak`."""

import os
import random
import time
from contextlib import suppress
from typing import Any, cast

import pytest

from testbeam.clients.livedata.waiting import wait_for_backend_condition
from testbeam.errors import WaitTimeout
from testbeam.kit.stack import Stack
from testbeam.model.live import DataKey, WorkflowId
from testbeam.stacks.roles.broker.declaration import BrokerHandle, broker
from testbeam.stacks.roles.fakes.declaration import fake_detectors
from testbeam.stacks.roles.livedata.declaration import LivedataHandle, livedata

pytestmark = pytest.mark.skipif(not os.environ.get("TESTBEAM_SOAK"), reason="takes minutes: make soak")
VIEW = WorkflowId(instrument="dummy", name="panel_0_xy")
EVENTS = 1_000
FROZEN_S = 40.0
PULSES = 14 * 60
ENDS = 40
LONG_S = 60.0


@pytest.mark.timeout(300)
def test_after_a_broker_that_froze_under_load_every_event_is_counted() -> None:
    source = fake_detectors(instrument="dummy", detector_topic="dummy_detector", events_per_pulse=EVENTS, pulses=PULSES)
    with Stack(broker(), livedata(instrument="dummy")).run() as run:
        live, kafka = cast("LivedataHandle", run["livedata"]), cast("BrokerHandle", run["broker"])
        pid, topic = live.pid, kafka.topic("dummy_detector")
        (job,) = live.backend.workflow_controller.start_workflow(VIEW, ["panel_0"])
        live.backend.workflow_controller.wait_for_answer(within_s=LONG_S)
        with run.add(source):
            wait_for_backend_condition(live.backend, lambda: total(live) > 0, timeout=LONG_S)
            with run["broker"].paused(FROZEN_S):
                time.sleep(FROZEN_S)  # that nothing is answered for so long is what is tried
            with suppress(WaitTimeout):
                wait_for_backend_condition(
                    live.backend, lambda: counted(live, job) == topic.count() * EVENTS >= PULSES * EVENTS, timeout=LONG_S
                )

        sent = topic.count()  # a pulse whose acknowledgement was lost may be there twice
        assert (sent >= PULSES, counted(live, job)) == (True, sent * EVENTS)
        assert live.pid == pid


@pytest.mark.timeout(300)
def test_whenever_it_is_told_to_end_it_ends_well() -> None:
    chance = random.Random(1)
    source = fake_detectors(instrument="dummy", detector_topic="dummy_detector", events_per_pulse=EVENTS)
    with Stack(broker(), livedata(instrument="dummy"), source).run() as run:
        live: Any = run["livedata"]
        for _ in range(ENDS):
            live.backend.workflow_controller.start_workflow(VIEW, ["panel_0"])
            time.sleep(chance.uniform(0, 0.5))  # the moment is what is tried
            live.stop()
            assert live.exit_code == 0
            live.start()


def total(live: LivedataHandle) -> float:
    found = live.backend.data_service.get(DataKey(workflow_id=VIEW, source_name="panel_0", output_name="counts_total_cumulative"))
    return 0.0 if found is None else found.sum()


def counted(live: LivedataHandle, job: Any) -> int:
    """Return the events of a job that are counted or told as dropped."""
    live.backend.update()
    status = live.backend.jobs.statuses.get(job)
    return 0 if status is None else int(status.more["events"]) + sum(status.more["dropped"].values())
