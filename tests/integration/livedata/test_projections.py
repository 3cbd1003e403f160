"""A view of where pixels are, from a NeXus file: every event that the source sends lies in the cell that its pixel is seen in."""

from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import h5py
import numpy as np

from testbeam.clients.livedata.waiting import wait_for_backend_condition
from testbeam.instruments.loader import load
from testbeam.instruments.projections import table_of
from testbeam.kit.stack import Stack
from testbeam.model.live import DataKey, WorkflowId
from testbeam.stacks.roles.broker.declaration import broker
from testbeam.stacks.roles.fakes.declaration import fake_detectors
from testbeam.stacks.roles.livedata.declaration import LivedataHandle, livedata

SEEN = WorkflowId(instrument="dummy", name="panel_0_projection")
PLAIN = WorkflowId(instrument="dummy", name="panel_0_xy")
PULSES, EVENTS = 14, 1_000
LONG_S = 60.0


def geometry(path: Path) -> Path:
    """Write a panel of 128 × 128 pixels that is turned by 30° about y, 3 m behind the sample."""
    with h5py.File(path, "w") as file:
        panel = file.create_group("entry/instrument/panel_0")
        panel.attrs["NX_class"] = "NXdetector"
        panel["detector_number"] = np.arange(1, 128 * 128 + 1).reshape(128, 128)
        for axis, offsets in zip("yx", np.indices((128, 128)) * 8.0, strict=True):
            panel[f"{axis}_pixel_offset"] = offsets - 508.0
            panel[f"{axis}_pixel_offset"].attrs["units"] = "mm"
        panel["depends_on"] = "transformations/turned"
        turned, placed = (
            file.create_dataset(f"{panel.name}/transformations/{name}", data=by) for name, by in (("turned", 30), ("placed", 3))
        )
        turned.attrs.update(transformation_type="rotation", units="deg", vector=[0, 1, 0], depends_on="placed")
        placed.attrs.update(transformation_type="translation", units="m", vector=[0, 0, 1], depends_on=".")
    return path


def test_every_event_is_in_the_cell_that_its_pixel_is_seen_in(shared_broker: Any, tmp_path: Path) -> None:
    prefix, file = f"seen-{uuid4().hex[:8]}", geometry(tmp_path / "panel.nxs")
    source = fake_detectors(instrument="dummy", detector_topic=f"{prefix}_detector", events_per_pulse=EVENTS, pulses=PULSES)
    service = livedata(instrument="dummy", geometry=str(file), commands_topic=f"{prefix}_livedata_commands")
    with Stack(broker(bootstrap=shared_broker.bootstrap), service).run() as run:
        backend = cast("LivedataHandle", run["livedata"]).backend
        for view in (SEEN, PLAIN):
            backend.workflow_controller.start_workflow(view, ["panel_0"])
        backend.workflow_controller.wait_for_answer(within_s=LONG_S)
        keys = [DataKey(workflow_id=view, source_name="panel_0", output_name="cumulative") for view in (SEEN, PLAIN)]
        all_in = PULSES * EVENTS

        def are_counted() -> bool:
            return all(key in backend.data_service and backend.data_service[key].sum() == all_in for key in keys)

        with run.add(source):
            wait_for_backend_condition(backend, are_counted, timeout=LONG_S)
        seen, plain = (backend.data_service[key] for key in keys)

    instrument = load("dummy", geometry=file)
    (projection,) = (one for one in instrument.views if one.projections)
    table = table_of(instrument, instrument.detectors[0], projection)
    expected = np.bincount(table.cell, weights=plain.values.ravel(), minlength=64 * 64)
    assert np.array_equal(seen.values.ravel(), expected)
    # The plane is where the +x side is, which the turn brings nearer to the sample; from there the −x side is seen nearer to the beam.
    along, across = 0.508 * np.sin(np.pi / 6), 0.508 * np.cos(np.pi / 6)
    low, high = -across * (3 - along) / (3 + along), across
    half_a_cell = (high - low) / 64 / 2
    assert np.allclose(seen.coords["x"][[0, -1]], [low + half_a_cell, high - half_a_cell])
