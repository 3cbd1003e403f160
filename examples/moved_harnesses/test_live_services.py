"""A harness for live-data services: broker, a fake and the service under test from one declaration, and a dashboard's backend.

Another build takes the place of ours by `pytest --testbeam-local-build livedata=CHECKOUT`; that is all that changes.
"""

import pytest

from testbeam import Stack, broker, fake_monitors, livedata
from testbeam.clients.livedata import (
    DashboardBackend,
    DataKey,
    WaitTimeout,
    WorkflowId,
    collect_updates,
    wait_for_condition,
    wait_for_data,
    wait_for_job_status,
)

INSTRUMENT = "dummy"
HISTOGRAM = WorkflowId(instrument=INSTRUMENT, name="monitor_histogram")


@pytest.fixture(scope="session")
def stack():
    return Stack(
        broker(),
        fake_monitors(instrument=INSTRUMENT, monitor_topic=f"{INSTRUMENT}_beam_monitor"),
        livedata(instrument=INSTRUMENT, services=("monitor_data",)),
    )


@pytest.fixture
def backend(run):
    with DashboardBackend(INSTRUMENT, bootstrap=run["broker"].bootstrap) as started:
        yield started


def test_a_monitor_is_counted(backend):
    (job,) = backend.workflow_controller.start_workflow(HISTOGRAM, ["monitor1"])
    wait_for_job_status(backend.job_service, job, "active", timeout=20)
    shown = DataKey(workflow_id=HISTOGRAM, source_name="monitor1", output_name="cumulative")

    assert wait_for_data(backend.data_service, shown, timeout=20).values.sum() > 0

    backend.workflow_controller.stop_workflow(["monitor1"])
    wait_for_job_status(backend.job_service, job, "stopped", timeout=20)
    with collect_updates(backend.data_service) as updates, pytest.raises(WaitTimeout):
        wait_for_condition(lambda: backend.update() or updates, timeout=1.5)


def test_a_service_that_was_killed_counts_again(backend, run):
    with run["livedata"].killed():
        pass
    (job,) = backend.workflow_controller.start_workflow(HISTOGRAM, ["monitor1"])

    wait_for_job_status(backend.job_service, job, "active", timeout=20)
