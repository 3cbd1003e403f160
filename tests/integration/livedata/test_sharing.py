"""Workers that share the jobs: one answer a command, and a killed worker's jobs go on in another, with nothing lost or counted twice.

Windows count, too: those that the killed worker owed are given out by the next one, those that it had given out are not again. Between the
two a run starts, before which nothing counts.
"""

import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from testbeam.clients.livedata.backend import DashboardBackend
from testbeam.clients.livedata.waiting import wait_for_backend_condition
from testbeam.kit.stack import Stack
from testbeam.model.live import DataKey, WorkflowId
from testbeam.model.runs import RunStart
from testbeam.stacks.roles.broker.declaration import broker
from testbeam.stacks.roles.livedata.declaration import livedata
from testbeam.wire.flatbuffers.registry import ENCODERS
from tests.unit.livedata.bench import events

MONITOR = WorkflowId(instrument="dummy", name="monitor_histogram")
SOURCES = ("monitor1", "monitor2")
S = 1_000_000_000
LONG_S = 60.0


@pytest.fixture
def sharing_run(shared_broker: Any) -> Iterator[Any]:
    prefix = f"sharing-{uuid4().hex[:8]}"
    workers = [
        livedata(
            name=f"worker-{n}",
            instrument="dummy",
            commands_topic=f"{prefix}_livedata_commands",
            share=prefix,
            answer_unknown=n == 0,
            status_interval_s=0.5,
        )
        for n in range(2)
    ]
    with Stack(broker(bootstrap=shared_broker.bootstrap), *workers).run() as run:
        yield run


def test_a_killed_worker_s_jobs_go_on_and_nothing_is_counted_twice(sharing_run: Any) -> None:
    run, prefix = sharing_run, sharing_run["worker-0"].options["prefix"]
    with DashboardBackend("dummy", bootstrap=run["broker"].bootstrap, prefix=prefix) as backend:
        data = run["broker"].topic(backend.topics.beam_monitor)
        wait_for_backend_condition(backend, lambda: _sharing(backend) == 2, timeout=LONG_S)
        backend.workflow_controller.start_workflow(MONITOR, SOURCES, {})
        backend.workflow_controller.wait_for_answer(within_s=LONG_S)
        at_ns, sent, run_began = time.time_ns() // S * S, 0, 0

        def send_and_see(seconds: int) -> None:
            nonlocal sent
            for second in range(sent, sent + seconds):
                for source in SOURCES:
                    for pulse in range(14):
                        data.produce(events(source, at_ns + second * S + pulse * (S // 14), [1_000_000] * 3, [1] * 3))
            sent += seconds
            wait_for_backend_condition(backend, lambda: _totals(backend) == [42 * (sent - run_began)] * 2, timeout=LONG_S)

        send_and_see(2)
        for worker in ("worker-0", "worker-1"):  # one of them has at least one of the two jobs
            with run[worker].expect_exit():
                run[worker].kill()
            send_and_see(2)
            run[worker].start()
            backend.jobs.workers.clear()
            wait_for_backend_condition(backend, lambda: _sharing(backend) == 2, timeout=LONG_S)
            if not run_began:
                run["broker"].topic(f"{prefix}_filewriter_pool").produce(_start_of_a_run(at_ns + (sent + 1) * S))
                send_and_see(1)
                run_began = sent
                send_and_see(1)
        send_and_see(1)
        answers = [one.payload for one in run["broker"].topic(backend.topics.responses).messages()]
        assert len(answers) == len(SOURCES)
        wait_for_backend_condition(backend, lambda: min(_windows(run, backend, source) for source in SOURCES) >= 42 * sent, timeout=LONG_S)
        assert [_windows(run, backend, source) for source in SOURCES] == [42 * sent] * 2


def _sharing(backend: DashboardBackend) -> int:
    """Return how many workers say that they have a share of the jobs."""
    return len({status.worker_id for status in backend.jobs.workers.values() if status.more.get("shares")})


def _windows(run: Any, backend: DashboardBackend, source: str) -> float:
    """Return the sum of all windows of a source in Kafka, whoever gave them out."""
    arrays = [one.value for one in run["broker"].topic(backend.topics.results).messages()]
    mine = [one for one in arrays if '"counts_total"' in one.source_name and f'"{source}"' in one.source_name]
    return float(sum(one.variable("signal").data for one in mine))


def _totals(backend: DashboardBackend) -> list[float]:
    """Return what is shown of each source since the run's start."""
    keys = [DataKey(workflow_id=MONITOR, source_name=source, output_name="counts_total_cumulative") for source in SOURCES]
    return [0.0 if (found := backend.data_service.get(key)) is None else found.sum() for key in keys]


def _start_of_a_run(at_ns: int) -> bytes:
    run = RunStart(job_id="j", filename="f", nexus_structure="{}", start_time_ms=at_ns // 1_000_000, stop_time_ms=0)
    return ENCODERS["pl72"](run)
