"""Live data as a detector of instrument control: real workers count real events, and a scan has their counts, exactly."""

import time
from functools import partial
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import numpy as np

from testbeam.clients.waiting import wait_for_condition
from testbeam.kit.stack import Stack
from testbeam.model.live import WorkflowId
from testbeam.stacks.roles.broker.declaration import BrokerHandle, broker
from testbeam.stacks.roles.control.declaration import control
from testbeam.stacks.roles.event_source.declaration import event_source
from testbeam.stacks.roles.livedata.declaration import LivedataHandle, livedata
from testbeam.wire.nicos.daemon_words import Event

wait_for = partial(wait_for_condition, within_s=30)
SETUP = """
import os

brokers = os.environ["TESTBEAM_CONTROL_BROKERS"].split(",")
devices = dict(
    image=device("nicos_ess.devices.datasources.livedata.DataChannel", type="counter"),
    total=device("testbeam.LiveDataChannel", brokers=brokers, topic="{0}_nicos_data", source="panel_counts_total"),
    timer=device("nicos.devices.generic.VirtualTimer"),
    live=device(
        "nicos_ess.devices.datasources.livedata.LiveDataCollector",
        brokers=brokers, data_topics=["{0}_data"], status_topics=["{0}_heartbeat"], commands_topic="{0}_commands",
        timers=["timer"], others=["image", "total", "events"],
    ),
    events=device("nicos_ess.devices.datasources.just_bin_it.JustBinItImage", brokers=brokers, hist_topic="", data_topic="{1}_detector"),
    Exp=device("nicos_ess.devices.experiment.EssExperiment", dataroot={2!r}),
)
sysconfig = dict(experiment="Exp")
"""
PULSES, EVENTS = 20, 500


def test_a_count_has_the_events_that_live_data_counted(shared_broker: BrokerHandle, tmp_path: Path) -> None:
    prefix = f"live-{uuid4().hex[:8]}"
    live = f"{prefix}_livedata"
    (tmp_path / "one.py").write_text(SETUP.format(live, prefix, str(tmp_path / "data")))
    (tmp_path / "users").write_text("admin admin plain admin\n")
    daemon = control(setups=[tmp_path], passwords=tmp_path / "users", iocs=())
    daemon = daemon.configured(needs=("broker", "cache", "livedata"), options={**daemon.options, "topics": ()})
    parts = (
        broker(bootstrap=shared_broker.bootstrap, topics=(f"{prefix}_detector", f"{prefix}_beam_monitor")),
        livedata(instrument="demo", commands_topic=f"{live}_commands", status_interval_s=0.5),
        control(name="cache", part="cache"),
        daemon,
    )
    shown: list[Any] = []

    def take(event: Event, data: Any) -> None:
        if event is Event.LIVEDATA:
            shown.append(data)

    with Stack(*parts).run() as run, run["daemon"].client("admin", "admin", on_event=take) as client:  # type: ignore[attr-defined]
        client.NewSetup("one")
        backend = cast("LivedataHandle", run["livedata"]).backend
        view = WorkflowId(instrument="demo", name="panel_xy")
        backend.workflow_controller.start_workflow(view, ["panel"], {})
        wait_for(lambda: "Disconnected" not in client.status("live")[1] and "heard of" not in client.status("live")[1])
        client.execute(f"SetDetectors(live)\nimage.selector = '{view}@panel/cumulative'")

        reqid = client.queue(f"count(image={PULSES * EVENTS})")
        wait_for(lambda: client.eval("image._counting"))
        # a result begins with a whole second, and is not counted where that is before the channel listened
        wait_for(lambda: int(time.time()) > client.eval("image._heard_since_s"))
        source = event_source(
            detector_topic=f"{prefix}_detector",
            monitor_topic=f"{prefix}_beam_monitor",
            detector_source="panel",
            pulses=PULSES,
            events_per_pulse=EVENTS,
        )
        with run.add(source):
            client.wait_done(reqid, timeout=60)
            assert client.eval("image.read(0)") == PULSES * EVENTS
            assert client.eval("events.read(0)") == PULSES * EVENTS
            wait_for(lambda: client.eval("total._counts.total") == PULSES * EVENTS)

        assert client.eval("list(live.labels())")
        client.execute("reset(image)")
        words, blobs = shown[-1]
        (described,) = words["datadescs"]
        image = np.frombuffer(blobs[0], described["dtype"]).reshape(described["shape"])
        assert (words["det"], words["tag"]) == ("image", "live")
        assert image.sum() == PULSES * EVENTS
