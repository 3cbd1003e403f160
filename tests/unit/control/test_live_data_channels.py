"""Channels and the collector of live data: what is selected, what is counted, what is shown; by messages, without Kafka."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbeam.errors import DeviceError, SetupError
from testbeam.model.arrays import LabelledArray, Variable
from testbeam.model.live import JobId, JobState, JobStatus, ResultKey, WorkflowId
from testbeam.model.status import ServiceStatus
from testbeam.services.control.devices.kafka_devices import KafkaDevice
from testbeam.services.control.devices.live_counts import Counts, parse_selector
from testbeam.services.control.devices.live_data_collector import LiveDataCollector
from testbeam.wire.livedata_messages import decode_command, encode_job_status, encode_result_key
from tests.unit.control.holding import FakeSession, setup

LIVE = "nicos_ess.devices.datasources.livedata"
VIEW = WorkflowId(instrument="dummy", name="panel_0_xy", version=1)
OLD, NEW = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"
SELECTOR = "dummy/panel_0_xy/1@panel_0"


class Scene:
    """A collector with two channels as setups of the field have them, and what it sends."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **more: Any) -> None:
        self.sent: list[tuple[str, bytes]] = []
        self.shown: list[tuple[str, tuple[int, ...]]] = []
        monkeypatch.setattr(KafkaDevice, "send", lambda _self, topic, payload: self.sent.append((topic, payload)))
        monkeypatch.setattr(LiveDataCollector, "topics", lambda _self: [])
        devices = {
            "one": (f"{LIVE}.DataChannel", {"type": "counter"}),
            "two": (f"{LIVE}.DataChannel", {"type": "counter"}),
            "live": (
                f"{LIVE}.LiveDataCollector",
                {"brokers": ["nowhere:1"], "data_topics": ["d"], "commands_topic": "c", "others": ["one", "two"], **more},
            ),
        }
        self.session = FakeSession({"a": setup("a", devices)})
        self.session.load(["a"])
        self.session.on_array = lambda name, _time_s, data: self.shown.append((name, data.shape))
        self.one: Any = self.session.devices["one"]
        self.two: Any = self.session.devices["two"]
        self.live: Any = self.session.devices["live"]

    def result(self, time_ns: int, counts: Any, *, job: str = OLD, output: str = "cumulative", begin_ns: int = 0) -> None:
        key = ResultKey(workflow_id=VIEW, job_id=JobId(source_name="panel_0", job_number=job), output_name=output)
        times = {"start_time": begin_ns, "time": time_ns}
        variables = (Variable(name="signal", data=np.array(counts)), *(Variable(name=n, data=np.array(t)) for n, t in times.items()))
        self.live.take(LabelledArray(source_name=encode_result_key(key), timestamp_ns=begin_ns, variables=variables))

    def heartbeat(self, state: JobState, *, job: str = OLD, start_ns: int = 0) -> None:
        status = JobStatus(job_id=JobId(source_name="panel_0", job_number=job), workflow_id=VIEW, state=state, start_time_ns=start_ns)
        self.live.take(
            ServiceStatus(
                software_name="",
                software_version="",
                service_id="",
                host_name="",
                process_id=1,
                update_interval_ms=2000,
                status_json=encode_job_status(status),
            )
        )


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(monkeypatch)


def test_a_sum_that_grows_is_counted_from_the_start(scene: Scene) -> None:
    scene.one.selector = SELECTOR
    scene.result(1, 100)
    scene.one.start(None)
    scene.result(2, 130)
    scene.result(2, 130)
    scene.result(1, 100)
    assert scene.one.do_read() == 30
    scene.result(3, 5, begin_ns=2)  # reset by somebody
    assert scene.one.do_read() == 35

    scene.one.finish()
    scene.result(4, 500, begin_ns=2)
    assert scene.one.do_read() == 35
    assert scene.two.do_read() == 0


def test_windows_add_up(scene: Scene) -> None:
    scene.one.selector = f"{SELECTOR}/current"
    scene.one.start(None)
    begin_ns = int(scene.session.time_s * 1e9)
    for n, counts in enumerate((9, 7, 8)):
        scene.result(begin_ns + n + 1, counts, output="current", begin_ns=begin_ns + n)
        scene.result(begin_ns + n + 1, 1000, output="cumulative")

    assert scene.one.do_read() == 24


def test_what_was_counted_before_the_start_is_not_counted(scene: Scene) -> None:
    scene.one.selector = SELECTOR
    scene.one.start(None)
    scene.result(5, 1_000_000)
    scene.result(6, 1_000_010)

    assert scene.one.do_read() == 10


def test_of_several_jobs_the_one_that_runs_counts(scene: Scene) -> None:
    scene.one.selector, scene.two.selector = SELECTOR, f"{SELECTOR}#{OLD}"
    for job, state in ((OLD, JobState.ACTIVE), (NEW, JobState.SCHEDULED)):
        scene.heartbeat(state, job=job)
        scene.result(1, 0, job=job)
    scene.one.start(None)
    scene.two.start(None)
    scene.result(2, 10, job=OLD)
    scene.result(2, 99, job=NEW)
    assert (scene.one.do_read(), scene.two.do_read()) == (10, 10)

    scene.heartbeat(JobState.ACTIVE, job=NEW, start_ns=5)
    scene.heartbeat(JobState.STOPPED, job=OLD)
    scene.result(3, 11, job=OLD)
    scene.result(3, 4, job=NEW, begin_ns=5)
    assert (scene.one.do_read(), scene.two.do_read()) == (14, 11)


def test_without_heartbeats_a_new_job_takes_over(scene: Scene) -> None:
    scene.one.selector = SELECTOR
    scene.result(1, 10)
    scene.one.start(None)
    scene.result(2, 3, job=NEW, begin_ns=2)
    scene.result(3, 500)

    assert scene.one.do_read() == 3


def test_a_label_selects_and_a_wrong_one_is_refused_with_those_that_there_are(scene: Scene) -> None:
    scene.result(1, 10)
    assert scene.live.labels() == {"panel_0 (00000000) cumulative": f"{SELECTOR}#{OLD}/cumulative"}
    scene.one.selector = "panel_0 (00000000) cumulative"
    assert str(scene.one.selected) == f"{SELECTOR}#{OLD}/cumulative"
    with pytest.raises(DeviceError, match=r"panel_0 \(00000000\) cumulative"):
        scene.one.selector = "panel_9"


@pytest.mark.parametrize("text", ["", "@", "a/b@c", "a/b/c@d", "a/b/1", "a/b/1@", "a/b/1@#x"])
def test_what_is_no_selector_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"workflow id|is no instrument|invalid literal"):
        parse_selector(text)


@pytest.mark.parametrize("text", [SELECTOR, f"{SELECTOR}#{OLD}", f"{SELECTOR}/current", f"{SELECTOR}#{OLD}/current"])
def test_a_selector_reads_as_it_is_written(text: str) -> None:
    assert str(parse_selector(text)) == text


def test_arrays_are_shown_and_numbers_are_not(scene: Scene) -> None:
    scene.one.selector = SELECTOR
    scene.result(1, [[1, 2], [3, 4]])
    scene.result(2, 10)

    assert scene.shown == [("one", (2, 2))]
    assert scene.one.status(0)[0] == 200


def test_a_reset_is_told_to_the_job(scene: Scene) -> None:
    scene.one.selector = SELECTOR
    with pytest.raises(DeviceError, match="no job of"):
        scene.one.reset()
    scene.result(1, 10)
    scene.one.reset()

    ((topic, payload),) = scene.sent
    command: Any = decode_command(payload)
    assert (topic, command.action, command.job_id) == ("c", "reset", JobId(source_name="panel_0", job_number=OLD))
    with pytest.raises(DeviceError, match="a selector to be set"):
        scene.two.reset()


def test_the_status_tells_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, status_topics=["s"], status_timeout=-2)
    assert "nothing is selected" in scene.one.status(0)[1]
    assert "no live-data service was heard of on s" in scene.live.status(0)[1]
    scene.heartbeat(JobState.ACTIVE)  # and is late at once
    assert scene.live.status(0) == (240, "Disconnected")


def test_other_messages_on_the_topics_are_passed_over(scene: Scene) -> None:
    scene.live.take(LabelledArray(source_name="{no json", timestamp_ns=1, variables=()))
    scene.live.take(LabelledArray(source_name=json.dumps({"workflow_id": 5}), timestamp_ns=1, variables=()))
    scene.one.selector = SELECTOR
    scene.live.take(5)

    assert scene.one.do_read() == 0


def test_a_fixed_stream_needs_its_cluster() -> None:
    session = FakeSession({"a": setup("a", {"ch": (f"{LIVE}.DataChannel", {"topic": "t"})})})
    with pytest.raises(SetupError, match="needs `brokers` and `source`"):
        session.load(["a"])


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 50)), min_size=1, max_size=30))
def test_counts_are_the_sum_over_begins_of_the_last_of_each(steps: list[tuple[int, int]]) -> None:
    counts, expected = Counts(), 0.0
    last: dict[int, int] = {}
    begin = 0
    for time_ns, (jump, value) in enumerate(steps, 1):
        begin += jump > 3
        counts.take(time_ns, value, begin)
        last[begin] = value
        expected = sum(last.values())

    assert counts.total == expected
