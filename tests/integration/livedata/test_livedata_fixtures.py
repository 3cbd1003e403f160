"""Live-data tests as their authors write them: fixtures, markers and waits, every test on topics of its own."""

from typing import Any

import pytest

from testbeam.clients.livedata.backend import DashboardBackend
from testbeam.clients.livedata.data import collect_updates
from testbeam.clients.livedata.processes import ServiceGroup, ServiceProcess
from testbeam.clients.livedata.waiting import wait_for_backend_condition, wait_for_data, wait_for_job_data, wait_for_job_status
from testbeam.errors import JobRefused, WaitTimeout
from testbeam.model.live import DataKey, WorkflowId
from testbeam.pytest_plugin.livedata import IntegrationEnv

MONITOR = WorkflowId(instrument="dummy", name="monitor_histogram")
LONG_S = 60.0


def key(workflow: WorkflowId, source: str, output: str) -> DataKey:
    return DataKey(workflow_id=workflow, source_name=source, output_name=output)


@pytest.mark.integration
@pytest.mark.services("monitor")
def test_a_workflow_starts_changes_and_stops(integration_env: IntegrationEnv) -> None:
    backend = integration_env.backend
    counts = key(MONITOR, "monitor1", "cumulative")
    (job,) = backend.workflow_controller.start_workflow(MONITOR, ["monitor1"], {})
    for _ in range(5):
        backend.update()
    wait_for_job_status(backend.job_service, job, "running", timeout=LONG_S)
    first = wait_for_data(backend.data_service, counts, timeout=LONG_S)
    assert first.values.shape == (100,)
    assert "cumulative" in wait_for_job_data(backend.job_service, job, timeout=LONG_S)
    assert wait_for_data(backend.data_service, key(MONITOR, "monitor1", "counts_total"), timeout=LONG_S).values.sum() > 0

    (changed,) = backend.workflow_controller.update_config(MONITOR, ["monitor1"], {"toa_edges": {"num_bins": 7, "stop": 71.0}})
    second = wait_for_data(backend.data_service, counts, timeout=LONG_S)
    assert second != first
    assert (second.values.shape, second.job_number) == ((7,), changed.job_number)

    backend.workflow_controller.stop_workflow(["monitor1"])
    backend.workflow_controller.wait_for_answer()
    wait_for_job_status(backend.job_service, changed, "stopped", timeout=LONG_S)
    with collect_updates(backend.data_service) as updates, pytest.raises(WaitTimeout):
        wait_for_backend_condition(backend, lambda: updates, timeout=1.5)


@pytest.mark.instrument("bifrost")
@pytest.mark.services("detector")
def test_another_instrument_by_its_marker(integration_env: IntegrationEnv) -> None:
    assert integration_env.instrument == "bifrost"
    view = WorkflowId(instrument="bifrost", name="unified_detector_view")
    integration_env.backend.workflow_controller.start_workflow(view, ["unified_detector"], {})
    image = wait_for_data(integration_env.backend.data_service, key(view, "unified_detector", "cumulative"), timeout=LONG_S)

    assert (image.values.shape, image.dims) == ((15, 900), ("arc/tube", "channel/pixel"))


def test_services_of_ones_own_choice_by_the_facility_s_names(dashboard_backend: DashboardBackend) -> None:
    services = ServiceGroup(
        {
            "fake_logdata": ServiceProcess("ess.livedata.services.fake_logdata", instrument="dummy"),
            "timeseries": ServiceProcess("ess.livedata.services.timeseries", instrument="dummy", dev=True),
        }
    )
    readings = WorkflowId(instrument="dummy", name="timeseries_data")
    with services:
        assert services["timeseries"].is_running()
        dashboard_backend.workflow_controller.start_workflow(readings, ["motion1"], {})
        delta = wait_for_data(dashboard_backend.data_service, key(readings, "motion1", "delta"), timeout=LONG_S)
        assert "ready" in services["timeseries"].get_stderr()

    assert delta.dims == ("time",)
    assert delta.coords["time"].shape == delta.values.shape
    assert not services["timeseries"].is_running()


@pytest.mark.services("detector")
def test_what_can_not_be_started_is_refused_with_its_reason(integration_env: IntegrationEnv) -> None:
    controller = integration_env.backend.workflow_controller
    for workflow, source, config, reason in (
        ("dummy/panel_0_xy/1", "panel_1", {}, "panel_0"),
        ("dummy/nothing/1", "panel_0", {}, "there is no workflow"),
        ("dummy/panel_0_xy/1", "panel_0", {"toa_edges": {"num_bins": -1}}, "toa_edges.num_bins"),
        ("dummy/monitor_histogram/1", "monitor1", {}, "no worker serves"),
    ):
        controller.start_workflow(workflow, [source], config)
        with pytest.raises(JobRefused, match=reason):
            controller.wait_for_answer()


@pytest.mark.services("monitor")
def test_a_new_backend_adopts_running_jobs_and_sends_no_command(integration_env: IntegrationEnv, livedata_broker: Any) -> None:
    backend = integration_env.backend
    jobs = backend.workflow_controller.start_workflow(MONITOR, ["monitor1", "monitor2"], {})
    wait_for_job_data(backend, MONITOR, jobs, timeout=LONG_S)
    commands = livedata_broker["broker"].topic(backend.topics.commands)
    backend.stop()
    before = commands.count()

    with DashboardBackend("dummy") as another:
        wait_for_backend_condition(another, lambda: another.jobs.current_job(MONITOR, "monitor2") == jobs[1], timeout=LONG_S)
        assert set(wait_for_job_data(another, MONITOR, jobs, timeout=LONG_S)) == set(jobs)
    assert commands.count() == before
