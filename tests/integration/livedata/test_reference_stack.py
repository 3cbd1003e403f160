"""Live data in the reference stack."""

from testbeam.clients.livedata.waiting import wait_for_data
from testbeam.model.live import DataKey, WorkflowId
from testbeam.stacks.reference import full_chain
from testbeam.stacks.roles.livedata.declaration import LivedataHandle
from testbeam.stacks.topics import Topics

VIEW = WorkflowId(instrument="demo", name="panel_xy")


def test_the_panel_of_the_event_source_is_counted_on_topics_of_any_prefix() -> None:
    with full_chain(Topics(prefix="elsewhere")).run() as run:
        backend = run.service("livedata", LivedataHandle).backend
        backend.workflow_controller.start_workflow(VIEW, ["panel"])
        result = wait_for_data(backend.data_service, DataKey(workflow_id=VIEW, source_name="panel", output_name="cumulative"), timeout=60)
        assert result.values.shape == (128, 128)
        assert result.sum() > 0
        assert result.sum() % 1000 == 0  # whole pulses
