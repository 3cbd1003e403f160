"""Devices that speak through Kafka, by the messages that they take and send; nothing is sent anywhere."""

import json
from typing import Any

import numpy as np
import pytest

from testbeam.errors import ControlError, DeviceError
from testbeam.model.arrays import LabelledArray, Variable
from testbeam.model.forwarding import ConfigChange
from testbeam.model.runs import ActionOutcome, ActionType, CommandAnswer, WritingFinished
from testbeam.model.samples import LogValue
from testbeam.model.status import ServiceStatus
from testbeam.services.control.devices.file_writer import constructed_id
from testbeam.services.control.devices.kafka_devices import KafkaDevice
from testbeam.wire.flatbuffers import registry
from tests.unit.control.holding import FakeSession, setup

SINKS = "nicos_ess.devices.datasinks"
TOPIC = {"brokers": "nowhere:1"}


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """What devices send, decoded; nothing is listened to."""
    found: list[tuple[str, Any]] = []
    monkeypatch.setattr(KafkaDevice, "send", lambda _self, topic, payload: found.append((topic, registry.decode(payload))))
    return found


def session(tmp_path: Any, **more: Any) -> FakeSession:
    devices = {
        "SMOKE": ("nicos.devices.instrument.Instrument", {"instrument": "SMOKE"}),
        "Sample": ("nicos_ess.devices.sample.EssSample", {}),
        "Exp": ("nicos_ess.devices.experiment.EssExperiment", {"dataroot": str(tmp_path), "sample": "Sample"}),
        "Structure": (f"{SINKS}.nexus_structure.NexusStructureJsonFile", {}),
        "NexusStructure": ("nicos.devices.generic.DeviceAlias", {"alias": "Structure"}),
        "Status": (f"{SINKS}.file_writer.FileWriterStatus", TOPIC),
        "Control": (
            f"{SINKS}.file_writer.FileWriterControlSink",
            TOPIC
            | {
                "pool_topic": "pool",
                "instrument_topic": "control",
                "status": "Status",
                "nexus": "NexusStructure",
                "use_instrument_directory": True,
            },
        ),
        "Forwarder": ("nicos_ess.devices.forwarder.EpicsKafkaForwarder", TOPIC | {"config_topic": "commands"}),
        "a": ("nicos.devices.generic.VirtualMotor", {"nexus_config": [stream("A", "t1", "pva")]}),
        "b": ("nicos.devices.generic.VirtualMotor", {"nexus_config": [stream("B", "t2", "ca"), stream("A", "t3", "pva")]}),
    } | more
    found = FakeSession({"one": setup("one", devices, sysconfig={"experiment": "Exp", "instrument": "SMOKE"})})
    found.load(["one"])
    return found


def stream(source: str, topic: str, protocol: str) -> dict[str, Any]:
    return {
        "group_name": "g",
        "nx_class": "NXcollection",
        "source_name": source,
        "schema": "f144",
        "topic": topic,
        "protocol": protocol,
        "units": "mm",
    }


def answer(job_id: str, outcome: ActionOutcome = ActionOutcome.SUCCESS) -> CommandAnswer:
    return CommandAnswer(
        service_id="w", job_id=job_id, command_id=job_id, action=ActionType.START_JOB, outcome=outcome, message="why", status_code=201
    )


def test_a_job_is_sent_as_the_field_sends_it(tmp_path: Any, sent: list[Any]) -> None:
    scene = session(tmp_path)
    scene.devices["Exp"].new("1234", "title", (), [{"name": "A User"}])
    scene.devices["Sample"].new("vanadium")
    job = scene.devices["Control"].start_job("a scan")

    ((topic, start),) = [one for one in sent if one[0] == "pool"]
    assert topic == "pool"
    assert (start.filename, start.control_topic, start.broker, start.run_name) == (
        "smoke/1234/raw/smoke_1234_00000001.hdf",
        "control",
        "",
        "",
    )
    assert start.job_id == job.job_id
    assert start.job_id.startswith("00123400-0001-5")
    entry = json.loads(start.nexus_structure)["children"][0]
    named = {child.get("name") or child["config"].get("name"): child for child in entry["children"]}
    assert named["title"]["config"]["values"] == "a scan"
    assert named["user_AUser"]["attributes"] == {"NX_class": "NXuser"}
    assert named["sample"]["children"][0]["config"]["values"] == "vanadium"
    assert {"module": "mdat", "config": {"items": ["start_time", "end_time"]}} in entry["children"]


def test_a_job_is_followed_from_before_its_command_and_stopped_at_its_writer(tmp_path: Any, sent: list[Any]) -> None:
    scene = session(tmp_path)
    scene.devices["Exp"].new("1234", "", (), ())
    status, control = scene.devices["Status"], scene.devices["Control"]
    job = control.start_job()
    status.take(answer(job.job_id))
    assert control.get_active_jobs() == [job.job_id]
    with pytest.raises(ControlError, match="in progress"):
        control.start_job()
    control.stop_job()

    stop = sent[-1][1]
    assert (sent[-1][0], stop.job_id, stop.service_id) == ("control", job.job_id, "w")
    assert stop.command_id != job.job_id
    assert control.get_active_jobs() == []
    status.take(WritingFinished(service_id="w", job_id=job.job_id, error_encountered=False, file_name="/x.hdf"))
    assert [row[2] for row in control.list_jobs()] == ["WRITTEN"]
    assert control.stop_job() is None


def test_a_new_daemon_follows_the_jobs_of_the_one_before(tmp_path: Any, sent: list[Any]) -> None:
    first = session(tmp_path)
    first.devices["Exp"].new("1", "", (), ())
    job = first.devices["Control"].start_job()
    first.devices["Status"].take(answer(job.job_id))
    second = FakeSession(first.setups)
    second.cache = first.cache
    second.load(["one"])

    assert [one.state.name for one in second.devices["Status"].jobs.values()] == ["STARTED"]
    assert second.devices["Status"].do_status()[0] == 220


def test_a_refused_job_is_told(tmp_path: Any, sent: list[Any]) -> None:
    scene = session(tmp_path)
    scene.devices["Exp"].new("1", "", (), ())
    job = scene.devices["Control"].start_job()
    scene.devices["Status"].take(answer(job.job_id, ActionOutcome.FAILURE))

    assert "REJECTED: why" in scene.told.text
    scene.devices["Control"].start_job()


def test_without_an_experiment_there_is_no_job(tmp_path: Any, sent: list[Any]) -> None:
    with pytest.raises(ControlError, match="NewExperiment"):
        session(tmp_path).devices["Control"].start_job()


def test_a_template_that_cannot_be_read_is_named(tmp_path: Any, sent: list[Any]) -> None:
    scene = session(tmp_path, Structure=(f"{SINKS}.nexus_structure.NexusStructureJsonFile", {"nexus_config_path": "/no/such.json"}))
    scene.devices["Exp"].new("1", "", (), ())

    with pytest.raises(DeviceError, match=r"/no/such\.json"):
        scene.devices["Control"].start_job()


def test_groups_of_absent_devices_are_left_out(tmp_path: Any, sent: list[Any]) -> None:
    group = {"type": "group", "name": "x", "children": []}
    children = [group | {"name": "here", "required_devices": ["a"]}, group | {"name": "gone", "required_devices": ["nobody"]}]
    template = {"children": [group | {"name": "entry", "children": [*children, group | {"name": "instrument"}]}]}
    (tmp_path / "t.json").write_text(json.dumps(template))
    scene = session(
        tmp_path, Structure=(f"{SINKS}.nexus_structure.NexusStructureJsonFile", {"nexus_config_path": str(tmp_path / "t.json")})
    )

    entry = json.loads(scene.devices["Structure"].get_structure({}, 1))["children"][0]
    names = [child.get("name") for child in entry["children"]]
    assert "here" in names
    assert "gone" not in names
    instrument = next(child for child in entry["children"] if child.get("name") == "instrument")
    assert [child["name"] for child in instrument["children"][0]["children"]] == ["a", "b", "b"]


def test_ids_are_uuids_whatever_the_proposal() -> None:
    import uuid

    for proposal, number in (("1234", 7), ("", 0), ("abc", 1_234_567), ("12345678", 999_999)):
        found = uuid.UUID(constructed_id(proposal, number))
        assert found.version == 5
        assert str(found) == constructed_id(proposal, number)[:14] + str(found)[14:]


def test_the_forwarder_is_told_when_the_streams_change_and_not_else(tmp_path: Any, sent: list[Any]) -> None:
    scene = session(tmp_path)
    forwarder = scene.devices["Forwarder"]
    forwarder._stop.set()
    forwarder._thread.join(60)
    sent.clear()
    forwarder._sent = frozenset()

    assert forwarder.configure()
    assert not forwarder.configure()
    ((topic, command),) = sent
    assert (topic, command.change) == ("commands", ConfigChange.REPLACE)
    assert {(one.channel, one.topic, one.protocol.name) for one in command.streams} == {("A", "t3", "PVA"), ("B", "t2", "CA")}
    scene.remove("b")
    assert forwarder.configure()
    assert [(one.channel, one.topic) for one in sent[-1][1].streams] == [("A", "t1")]


def test_a_silent_forwarder_is_disconnected(tmp_path: Any, sent: list[Any]) -> None:
    scene = session(tmp_path)
    forwarder = scene.devices["Forwarder"]
    said = json.dumps({"streams": [{"channel_name": "A"}, {"channel_name": "B"}]})
    forwarder.take(
        ServiceStatus(
            software_name="F", software_version="1", service_id="f", host_name="h", process_id=1, update_interval_ms=1000, status_json=said
        )
    )

    assert forwarder.status(0) == (200, "Forwarding..")
    scene.time_s += 7
    assert forwarder.status(0) == (240, "Disconnected")


def array(time_ns: int, counts: float) -> LabelledArray:
    return LabelledArray(source_name="counts", timestamp_ns=time_ns, variables=(Variable(name="signal", data=np.array(counts)),))


def test_counts_of_live_data_are_those_since_the_start(tmp_path: Any, sent: list[Any]) -> None:
    scene = FakeSession(
        {"one": setup("one", {"ch": ("nicos_ess.devices.datasources.livedata.DataChannel", TOPIC | {"topic": "t", "source": "counts"})})},
        writes=False,
    )
    scene.load(["one"])
    channel: Any = scene.devices["ch"]
    channel.take(array(1, 100))
    channel.start(None)
    channel.take(array(2, 150))
    channel.take(array(2, 150))  # sent again
    channel.take(array(1, 100))  # late
    channel.take(LogValue(source_name="other", value=np.float64(9), timestamp_ns=3))
    assert channel.do_read() == 50

    channel.take(array(4, 10))  # the service began anew
    assert channel.do_read() == 60
    channel.finish()
    channel.take(array(5, 500))
    assert channel.do_read() == 60


CAMERA = ("NumImagesCounter_RBV", "Acquire", "Acquire_RBV", "NumImages", "ImageMode", "AcquireTime")


@pytest.fixture
def camera() -> tuple[FakeSession, Any]:
    """An area detector that has taken ten images before."""
    scene = FakeSession({"one": setup("one", {"cam": ("nicos_ess.devices.epics.area_detector.AreaDetector", {"pv_root": "CAM:"})})})
    for name in CAMERA:
        scene.fake.set(f"CAM:{name}", 0)
    scene.load(["one"])
    scene.fake.set("CAM:NumImagesCounter_RBV", 10)
    return scene, scene.devices["cam"]


def test_an_area_detector_takes_as_many_images_as_it_is_asked_for(camera: tuple[FakeSession, Any]) -> None:
    scene, device = camera
    device.acquiretime = 0.5
    device.start(10)
    assert scene.fake.puts == [("CAM:AcquireTime", 0.5), ("CAM:ImageMode", 1), ("CAM:NumImages", 10), ("CAM:Acquire", 1)]
    scene.fake.set("CAM:Acquire_RBV", 1)
    assert device.status(0)[0] == 220
    assert not device.is_completed(), "the ten are those of the time before"

    scene.fake.set("CAM:NumImagesCounter_RBV", 0)
    assert not device.is_completed()
    scene.fake.set("CAM:NumImagesCounter_RBV", 10)
    assert device.is_completed()
    device.finish()
    assert scene.fake.puts[-1] == ("CAM:Acquire", 0)


def test_an_area_detector_whose_counter_goes_on_is_counted_from_where_it_was(camera: tuple[FakeSession, Any]) -> None:
    scene, device = camera
    device.start(3)
    for images, counted in ((11, 1), (12, 2), (13, 3)):
        assert not device.is_completed()
        scene.fake.set("CAM:NumImagesCounter_RBV", images)
        assert device.do_read() == counted
    assert device.is_completed()
