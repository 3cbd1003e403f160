"""Live data as a role of a stack: health, orderly ends, data from the past, more partitions than one."""

import json
import time
import urllib.request
from collections.abc import Iterator
from typing import Any, cast
from uuid import uuid4

import pytest

from testbeam.clients.livedata.waiting import wait_for_backend_condition
from testbeam.kit.stack import Stack
from testbeam.model.live import DataKey, WorkflowId
from testbeam.stacks.roles.broker.declaration import broker
from testbeam.stacks.roles.livedata.declaration import LivedataHandle, livedata
from tests.unit.livedata.bench import events

MONITOR = WorkflowId(instrument="dummy", name="monitor_histogram")
S = 1_000_000_000
LONG_S = 60.0


@pytest.fixture
def live(shared_broker: Any) -> Iterator[LivedataHandle]:
    prefix = f"role-{uuid4().hex[:8]}"
    shared_broker.create_topics({f"{prefix}_beam_monitor": 3})
    service = livedata(instrument="dummy", commands_topic=f"{prefix}_livedata_commands", status_interval_s=0.5)
    with Stack(broker(bootstrap=shared_broker.bootstrap), service).run() as run:
        yield cast("LivedataHandle", run["livedata"])


def total(live: LivedataHandle, source: str = "monitor1") -> float:
    found = live.backend.data_service.get(DataKey(workflow_id=MONITOR, source_name=source, output_name="counts_total_cumulative"))
    return 0.0 if found is None else found.sum()


def fetched(live: LivedataHandle, path: str) -> str:
    with urllib.request.urlopen(f"http://{live.endpoints['http']}{path}") as answer:
        return str(answer.read().decode())


def test_every_partition_counts_and_health_tells_of_it(live: LivedataHandle, shared_broker: Any) -> None:
    backend, data = live.backend, shared_broker.topic(live.topics.beam_monitor)
    backend.workflow_controller.start_workflow(MONITOR, ["monitor1", "monitor2"], {})
    backend.workflow_controller.wait_for_answer(within_s=LONG_S)
    at_ns = time.time_ns()
    for n in range(30):
        for source in ("monitor1", "monitor2"):
            data.produce(events(source, at_ns + n * S // 14, [1_000_000] * 4, [1] * 4), key=f"{n}")

    wait_for_backend_condition(backend, lambda: total(live) == total(live, "monitor2") == 120, timeout=LONG_S)
    assert len([p for p, (low, high) in data.watermarks().items() if high > low]) == 3
    health = json.loads(fetched(live, "/health"))
    assert (health["ok"], health["jobs"]) == (True, 2)
    assert "testbeam_livedata_up 1" in fetched(live, "/metrics")


def test_a_job_that_begins_in_the_past_counts_what_kafka_has(live: LivedataHandle, shared_broker: Any) -> None:
    backend, data = live.backend, shared_broker.topic(live.topics.beam_monitor)
    at_ns = time.time_ns() - 600 * S
    for n in range(60):
        stamp_ns = at_ns + n * S
        data.produce(events("monitor1", stamp_ns, [1_000_000] * 2, [1] * 2), timestamp_ms=stamp_ns // 1_000_000)
    backend.workflow_controller.start_workflow(MONITOR, ["monitor1"], {}, start_time_ns=at_ns + 20 * S)

    wait_for_backend_condition(backend, lambda: total(live) == 80, timeout=LONG_S)


def test_a_stop_says_so_at_once_and_ends_well(live: LivedataHandle, shared_broker: Any) -> None:
    backend = live.backend
    (job,) = backend.workflow_controller.start_workflow(MONITOR, ["monitor1"], {})
    backend.workflow_controller.wait_for_answer(within_s=LONG_S)
    at_ns = time.time_ns()
    data = shared_broker.topic(live.topics.beam_monitor)
    data.produce(events("monitor1", at_ns, [1_000_000] * 5, [1] * 5))
    wait_for_backend_condition(backend, lambda: total(live) == 5, timeout=LONG_S)
    live.stop()

    assert live.exit_code == 0
    wait_for_backend_condition(backend, lambda: backend.jobs.statuses[job].state == "stopped", timeout=LONG_S)
    wait_for_backend_condition(backend, lambda: {one.state for one in backend.jobs.workers.values()} == {"stopped"}, timeout=LONG_S)


def test_two_hundred_commands_sent_as_soon_as_it_is_ready_are_answered(live: LivedataHandle) -> None:
    backend = live.backend
    for _ in range(200):
        backend.workflow_controller.reset_job(next(iter(backend.workflow_controller.start_workflow(MONITOR, ["monitor1"], {}))))
    backend.update()
    wait_for_backend_condition(backend, lambda: all(one.is_answered for one in backend.jobs.pending.values()), timeout=LONG_S)

    assert len(backend.jobs.pending) >= 400
