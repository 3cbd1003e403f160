"""I(Q) of the reference stack's own sample has its rings where silver behenate has them."""

from typing import Any, cast
from uuid import uuid4

import numpy as np
import pytest

from testbeam.clients.livedata.waiting import wait_for_backend_condition
from testbeam.kit.stack import Stack
from testbeam.model.live import DataKey, WorkflowId
from testbeam.stacks.roles.broker.declaration import broker
from testbeam.stacks.roles.event_source.declaration import event_source
from testbeam.stacks.roles.livedata.declaration import LivedataHandle, livedata

pytest.importorskip("scippneutron")

I_OF_Q = WorkflowId(instrument="demo", name="i_of_q")
RING_Q = 0.1076  # 1/Å


def test_the_rings_are_where_they_belong(shared_broker: Any) -> None:
    prefix = f"rings-{uuid4().hex[:8]}"
    source = event_source(
        detector_topic=f"{prefix}_detector", monitor_topic=f"{prefix}_beam_monitor", events_per_pulse=5_000, monitor_events_per_pulse=100
    )
    service = livedata(instrument="demo", commands_topic=f"{prefix}_livedata_commands")
    with Stack(broker(bootstrap=shared_broker.bootstrap), service, source).run() as run:
        backend = cast("LivedataHandle", run["livedata"]).backend
        key = DataKey(workflow_id=I_OF_Q, source_name="panel", output_name="i_of_q")
        edges = {"start": 0.06, "stop": 0.28, "num_bins": 44, "unit": "1/angstrom"}
        backend.workflow_controller.start_workflow(I_OF_Q, ["panel"], {"q_edges": edges})
        wait_for_backend_condition(backend, lambda: key in backend.data_service and backend.data_service[key].sum() > 3, timeout=60)
        result = backend.data_service[key]

    middles = (result.coords["Q"][1:] + result.coords["Q"][:-1]) / 2
    for order in (1, 2):
        near = np.abs(middles - order * RING_Q) < 0.04
        assert abs(middles[near][result.values[near].argmax()] - order * RING_Q) < 0.008
