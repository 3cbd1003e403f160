"""Commands and answers of workers that share a topic: exactly one answer a command and source, and nothing harmed by what is no command."""

import json
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from testbeam.model.arrays import LabelledArray, Variable
from testbeam.model.live import JobId
from testbeam.services.livedata.core import NOT_A_COMMAND, Outgoing
from testbeam.services.livedata.inputs import MALFORMED, UNKNOWN_SCHEMA, UNKNOWN_UNIT
from testbeam.wire.flatbuffers.registry import ENCODERS
from tests.hostile.corpus import HOSTILE, VALID
from tests.unit.livedata.bench import NUMBER, T0, TOPICS, Bench, S, data_of, events, regions, signal, start, value

NOW = T0 + 100 * S
MS = 1_000_000
OTHER = str(UUID(int=2))
SERVICES = ("monitor_data", "detector_data", "data_reduction", "timeseries")


class Beamline:
    """One worker a service, on one topic of commands and one of answers, as Kafka would carry them."""

    def __init__(self, designated: str = "timeseries") -> None:
        self.workers = {name: Bench((name,), designated=name == designated) for name in SERVICES}
        self._read = dict.fromkeys(SERVICES, 0)

    def command(self, payload: bytes) -> None:
        for worker in self.workers.values():
            worker.command(payload)
        self.wait(0.0)
        self.wait(0.3)

    def wait(self, seconds: float) -> None:
        sent: list[Outgoing] = [one for worker in self.workers.values() for one in worker.sent if one.topic == TOPICS.responses]
        for name, worker in self.workers.items():
            for one in sent[self._read[name] :]:
                worker.worker.take_answer(one.payload)
            self._read[name] = len(sent)
            worker.wait(seconds)

    def answers(self) -> list[tuple[Any, ...]]:
        return sorted((answer for worker in self.workers.values() for answer in worker.answers()), key=str)


def job_command(action: str, *, source: str = "monitor1", number: str = NUMBER, message_id: str | None = "m-2", **more: Any) -> bytes:
    document = {"kind": "job_command", "message_id": message_id, "action": action}
    return json.dumps(document | {"job_id": {"source_name": source, "job_number": number}} | more).encode()


@pytest.mark.parametrize(
    ("workflow", "source"), [("monitor_histogram", "monitor1"), ("panel_0_xy", "panel_0"), ("total_counts", "panel_0")]
)
def test_with_all_services_up_a_start_has_one_answer(workflow: str, source: str) -> None:
    beamline = Beamline()
    beamline.command(start(workflow, source))

    assert beamline.answers() == [("m-1", source, "ACK")]


@pytest.mark.parametrize(
    ("payload", "device"),
    [
        (start("nothing"), "monitor1"),
        (start(identifier={"instrument": "loki", "name": "monitor_histogram", "version": 1}), "monitor1"),
        (job_command("reset", message_id="m-1"), f"monitor1/{NUMBER}"),
        (b'{"kind":"job_command","message_id":"m-1","action":"stop"}', "all"),
        (b'{"kind":"job_command","message_id":"m-1","action":"reset","workflow_id":"dummy/monitor_histogram/1"}', "all"),
        (b'{"kind":"dance","message_id":"m-1"}', "all"),
        (b'{"kind":"job_command","message_id":"m-1","action":"explode","job_id":null}', "all"),
        (b'{"kind":"workflow_config","message_id":"m-1","job_id":{"source_name":"monitor1","job_number":"no uuid"}}', "monitor1"),
    ],
)
def test_what_nobody_owns_has_one_answer_with_a_reason(payload: bytes, device: str) -> None:
    beamline = Beamline()
    beamline.command(payload)

    assert beamline.answers() == [("m-1", device, "ERR")]
    assert all(reason for worker in beamline.workers.values() for reason in worker.reasons())


def test_the_same_again_is_answered_again() -> None:
    beamline = Beamline()
    for _ in range(3):
        beamline.command(start("nothing"))
        beamline.command(start())

    assert beamline.answers() == [("m-1", "monitor1", "ACK")] * 3 + [("m-1", "monitor1", "ERR")] * 3


def test_without_a_designated_worker_silence_means_not_mine() -> None:
    beamline = Beamline(designated="")
    beamline.command(start("nothing"))

    assert beamline.answers() == []


def test_nine_sources_of_one_message_id_have_nine_answers() -> None:
    from testbeam.instruments.loader import load

    bench = Bench(instrument=load("loki", prefix="dummy"))
    identifier = {"instrument": "loki", "name": "tube_view", "version": 1}
    for bank in range(9):
        bench.command(start(source=f"loki_detector_{bank}", identifier=identifier))

    assert bench.answers() == [("m-1", f"loki_detector_{bank}", "ACK") for bank in range(9)]


def test_a_command_without_a_message_id_is_answered_too() -> None:
    bench = Bench()
    bench.command(start(message_id=None))

    assert bench.answers() == [(None, "monitor1", "ACK")]


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"toa_edges": {"num_bins": 0}}, "num_bins"),
        ({"toa_edges": {"num_bins": 10**9}}, "num_bins"),
        ({"toa_edges": {"start": "x"}}, "toa_edges.start"),
        ({"toa_edges": {"start": float("inf")}}, "is no JSON"),
        ({"toa_edges": {"unit": "fortnight"}}, "toa_edges.unit"),
        ({"toa_edges": {"scale": "log"}}, "start above 0"),
        ({"toa_range": {"start": 3, "stop": 1}}, "toa_range.stop"),
        ({"toa_range": {"enabled": "yes"}}, "true or false"),
        ({"coordinate_mode": {"mode": "energy"}}, "toa or wavelength"),
        ({"toa_edges": 3}, "an object"),
    ],
)
def test_bad_parameters_are_refused_and_the_running_job_counts_on(params: dict[str, Any], reason: str) -> None:
    bench = Bench()
    bench.command(start())
    bench.command(start(number=OTHER, params=params))
    bench.wait(0.3)
    bench.monitor(NOW, [MS])
    bench.wait(1)

    assert [response for _, _, response in bench.answers()] == ["ACK", "ERR"]
    assert reason in bench.reasons()[0]
    assert bench.counts(number=NUMBER) == [1]


def test_pause_and_resume_are_told_as_not_implemented() -> None:
    bench = Bench()
    bench.command(start())
    for action in ("pause", "resume"):
        bench.command(job_command(action))

    assert [response for _, _, response in bench.answers()] == ["ACK", "ERR", "ERR"]
    assert all("not implemented" in reason for reason in bench.reasons())


def test_an_end_before_the_start_is_refused() -> None:
    bench = Bench()
    bench.command(start(schedule={"start_time": NOW, "end_time": NOW}))

    assert bench.answers()[0][2] == "ERR"


def test_a_time_series_is_not_reset_and_doubles_nothing() -> None:
    bench = Bench()
    bench.command(start("timeseries_data", "motion1"))
    bench.data(TOPICS.motion, *(value("motion1", NOW + n, n) for n in range(3)))
    bench.wait(1)
    bench.command(job_command("reset", source="motion1"))
    bench.data(TOPICS.motion, value("motion1", NOW + 3, 3))
    bench.wait(1)

    assert bench.answers()[-1][2] == "ERR"
    assert [signal(one).tolist() for one in bench.results("delta", "motion1")] == [[0, 1, 2], [3]]


def test_a_value_from_before_a_job_is_its_first() -> None:
    bench = Bench()
    bench.data(TOPICS.motion, value("motion1", NOW, 7.5))
    bench.command(start("timeseries_data", "motion1"))
    bench.wait(1)

    assert [signal(one).tolist() for one in bench.results("delta", "motion1")] == [[7.5]]


def test_values_that_are_sent_again_are_left_out_and_told() -> None:
    bench = Bench()
    bench.command(start("timeseries_data", "motion1"))
    for at_ns, number in ((NOW, 1), (NOW, 1), (NOW, 2), (NOW - 5, 3), (NOW + 5, 4)):
        bench.data(TOPICS.motion, value("motion1", at_ns, number))
    bench.wait(1)

    assert [signal(one).tolist() for one in bench.results("delta", "motion1")] == [[1, 4]]
    assert set(bench.job("motion1").dropped.values()) == {1}
    assert len(bench.job("motion1").dropped) == 3


def test_a_command_is_answered_before_anything_is_computed() -> None:
    bench = Bench()
    bench.sent += bench.worker.take_command(start("panel_0_xy", "panel_0"), bench.now_s)

    assert [one.topic for one in bench.sent] == [TOPICS.responses]


def test_hostile_payloads_on_every_topic_are_counted_and_harm_nothing() -> None:
    bench = Bench()
    bench.command(start())
    hostile = [payload for _, payload in HOSTILE if len(payload) < 10_000]
    for topic in (TOPICS.beam_monitor, TOPICS.detector, TOPICS.area_detector, TOPICS.motion):
        bench.data(topic, *hostile, *VALID.values())
    bench.worker.take_regions([*hostile, *VALID.values()])
    for payload in [*hostile, *VALID.values()]:
        bench.worker.take_run_control(payload)
        bench.worker.take_answer(payload)
        bench.command(payload)
    bench.monitor(NOW, [MS])
    bench.wait(1)

    assert bench.counts()[-1] == 1  # before it stands the valid histogram of the corpus
    counts = bench.worker.drops.counts
    assert counts[MALFORMED] > 100
    assert counts[UNKNOWN_SCHEMA] > 0
    assert counts[NOT_A_COMMAND] == len(hostile) + len(VALID)


def test_alarms_and_connections_beside_values_are_passed_over_in_silence() -> None:
    bench = Bench()
    bench.data(TOPICS.motion, VALID["al00"], VALID["ep01"])

    assert not bench.worker.drops.counts


def test_an_unknown_source_is_listed_once_as_unmapped() -> None:
    bench = Bench()
    bench.data(TOPICS.beam_monitor, events("nobody", NOW, [MS]), events("nobody", NOW, [MS]))
    bench.worker.statistics.look(0.0)
    statistics = bench.worker.statistics.look(31.0)

    assert statistics is not None
    assert statistics["streams"] == [{"topic": TOPICS.beam_monitor, "source_name": "nobody", "stream": None, "count": 2}]


def test_a_flood_of_unknown_sources_with_long_names_leaves_heartbeats_short_and_known_ones_in_them() -> None:
    bench = Bench()
    bench.data(TOPICS.beam_monitor, *(events(f"{number}{'x' * 10_000}", NOW, [MS]) for number in range(500)))
    bench.monitor(NOW, [MS])
    bench.worker.statistics.look(0.0)
    statistics = bench.worker.statistics.look(31.0)

    assert statistics is not None
    assert len(repr(statistics)) < 50_000
    assert [one["count"] for one in statistics["streams"] if one["stream"] == "monitor1"] == [1]


def histogram(reference: Any, unit: str | None, at_ns: int = NOW) -> bytes:
    variables = (
        Variable(name="signal", data=np.array([4.0]), axes=("frame_time",), unit="counts"),
        Variable(name="frame_time", data=np.array([0.0, 10.0]), axes=("frame_time",), unit="ms"),
        Variable(name="reference_time", data=reference, unit=unit),
    )
    return ENCODERS["da00"](LabelledArray(source_name="monitor1", timestamp_ns=at_ns, variables=variables))


@pytest.mark.parametrize(
    ("reference", "unit", "placed_s"),
    [
        (np.array([NOW + 5 * S]), "ns", 5),
        (np.array([(NOW + 5 * S) // 1000]), "us", 5),
        (np.array([(NOW + 5 * S) // 1_000_000]), "ms", 5),
        (np.array([(NOW + 5 * S) // S]), "s", 5),
        (np.array([NOW, NOW + 6 * S]), "ns", 6),
        (np.array([1234], np.int32), "ns", 0),
    ],
)
def test_a_histogram_is_placed_at_its_reference_time_in_its_unit(reference: Any, unit: str, placed_s: int) -> None:
    bench = Bench()
    bench.command(start())
    bench.data(TOPICS.beam_monitor, histogram(reference, unit))
    bench.wait(1)

    assert data_of(bench.results("counts_total")[0], "start_time") == NOW + placed_s * S


def test_a_reference_time_in_an_unknown_unit_is_refused_and_counted() -> None:
    bench = Bench()
    bench.command(start())
    bench.data(TOPICS.beam_monitor, histogram(np.array([NOW]), "fortnights"))
    bench.wait(1)

    assert bench.worker.drops.counts == {UNKNOWN_UNIT: 1}


@pytest.mark.parametrize(("kind", "index"), [("roi_rectangle", 0), ("roi_polygon", 4)])
@pytest.mark.parametrize("history", [False, True])
def test_regions_apply_at_the_next_data_whatever_the_time_of_those(kind: str, index: int, history: bool) -> None:
    bench = Bench()
    bench.command(start("panel_0_xy", "panel_0", params={"region_history": {"enabled": history}}))
    bench.data(TOPICS.detector, events("panel_0", NOW, [MS] * 3, [1, 2, 300]))
    bench.wait(1)
    shape = ((0, 2), (0, 1)) if kind == "roi_rectangle" else ((-0.5, 1.5, 1.5, -0.5), (-0.5, -0.5, 0.5, 0.5))
    bench.worker.take_regions([regions(f"panel_0/{NUMBER}", kind, {index: shape})])
    bench.data(TOPICS.detector, events("panel_0", NOW - 5 * S, [MS], [2]))
    bench.wait(1)

    last = bench.results("roi_spectra_cumulative", "panel_0")[-1]
    assert (signal(last).sum(), data_of(last, "roi").tolist()) == (3 if history else 1, [index])
    assert signal(bench.results("roi_spectra_current", "panel_0")[-1]).sum() == 1
    assert data_of(bench.results(kind, "panel_0")[-1], "roi_index").tolist() == [index] * len(shape[0])


@pytest.mark.parametrize(
    ("kind", "shapes", "more", "reason"),
    [
        ("roi_rectangle", {4: ((0, 2), (0, 2))}, {}, "index 4"),
        ("roi_polygon", {4: ((0, 1), (0, 1))}, {}, "2 vertices"),
        ("roi_rectangle", {0: ((2, 0), (0, 2))}, {}, "a minimum below a maximum"),
        ("roi_rectangle", {0: ((0, 2), (0, 2))}, {"unit": "m"}, "pixel indices"),
    ],
)
def test_a_region_that_can_not_be_is_told_and_the_others_stay(kind: str, shapes: Any, more: Any, reason: str) -> None:
    bench = Bench()
    bench.command(start("panel_0_xy", "panel_0"))
    bench.worker.take_regions([regions(f"panel_0/{NUMBER}", "roi_rectangle", {1: ((0, 9), (0, 9))})])
    bench.worker.take_regions([regions(f"panel_0/{NUMBER}", kind, shapes, **more)])

    status = bench.job("panel_0").status()
    assert (status.state, reason in status.warning) == ("warning", True)
    bench.data(TOPICS.detector, events("panel_0", NOW, [MS], [1]))
    bench.wait(1)
    assert data_of(bench.results("roi_spectra_cumulative", "panel_0")[-1], "roi").tolist() == [1]


@pytest.mark.parametrize("history", [False, True])
def test_regions_that_are_set_before_their_job_starts_count_from_its_first_event(history: bool) -> None:
    bench = Bench()
    bench.worker.take_regions([regions(f"panel_0/{NUMBER}", "roi_rectangle", {1: ((0, 2), (0, 2))})])
    bench.worker.take_regions([regions(f"panel_0/{NUMBER}", "roi_polygon", {4: ((-0.5, 0.5, 0.5, -0.5), (-0.5, -0.5, 0.5, 0.5))})])
    bench.worker.take_regions([regions(f"panel_0/{OTHER}", "roi_rectangle", {2: ((0, 9), (0, 9))})])
    bench.wait(60)
    bench.command(start("panel_0_xy", "panel_0", params={"region_history": {"enabled": history}}))
    bench.data(TOPICS.detector, events("panel_0", bench.now_ns, [MS] * 4, [1, 2, 2, 3]))
    bench.wait(1)

    first = bench.results("roi_spectra_cumulative", "panel_0")[0]
    assert (data_of(first, "roi").tolist(), signal(first).sum(axis=1).tolist()) == ([1, 4], [3, 1])


def test_regions_outlast_a_reset() -> None:
    bench = Bench()
    bench.command(start("panel_0_xy", "panel_0"))
    bench.worker.take_regions([regions(f"panel_0/{NUMBER}", "roi_rectangle", {0: ((0, 2), (0, 2))})])
    bench.data(TOPICS.detector, events("panel_0", NOW, [MS] * 4, [1, 1, 1, 1]))
    bench.command(job_command("reset", source="panel_0"))
    bench.data(TOPICS.detector, events("panel_0", NOW + 2 * S, [MS], [1]))
    bench.wait(1)

    spectra = [int(signal(one).sum()) for one in bench.results("roi_spectra_cumulative", "panel_0")]
    assert spectra == [4, 1]


def test_wavelengths_of_a_monitor_and_of_a_detector() -> None:
    bench = Bench()
    params = {"coordinate_mode": {"mode": "wavelength"}, "wavelength_edges": {"start": 0.0, "stop": 4.0, "num_bins": 4, "unit": "Å"}}
    bench.command(start(params=params))
    bench.command(start("panel_0_xy", "panel_0", params=params))
    two_angstrom = [round(2.5 * length / 3956.034 * 1e9) for length in (23.0, 30.0)]
    bench.monitor(NOW, [two_angstrom[0]] * 3)
    bench.data(TOPICS.detector, events("panel_0", NOW, [two_angstrom[1]] * 2, [1, 2]))
    bench.wait(1)

    (monitor,) = bench.results("cumulative")
    assert signal(monitor).tolist() == [0, 0, 3, 0]
    edges = monitor.variable("wavelength")
    assert edges is not None
    assert (np.asarray(edges.data).tolist(), edges.unit) == ([0, 1, 2, 3, 4], "Å")
    assert bench.counts(source="panel_0") == [2]


@pytest.mark.parametrize("unit", ["us", "ms", "ns", "s"])
def test_the_axis_has_the_unit_that_was_asked_for(unit: str) -> None:
    bench = Bench()
    scale = {"us": 1e3, "ms": 1.0, "ns": 1e6, "s": 1e-3}[unit]
    bench.command(start(params={"toa_edges": {"start": 0, "stop": 70 * scale, "num_bins": 7, "unit": unit}}))
    bench.monitor(NOW, [15 * MS])
    bench.wait(1)

    (array,) = bench.results("cumulative")
    axis = array.variable("time_of_arrival")
    assert axis is not None
    assert (signal(array).tolist(), axis.unit) == ([0, 1, 0, 0, 0, 0, 0], unit)
    assert np.asarray(axis.data)[-1] == pytest.approx(70 * scale)


def test_images_that_change_their_shape_begin_anew() -> None:
    from testbeam.model.arrays import AreaImage

    bench = Bench()
    bench.command(start("area_panel_xy", "area_panel"))
    for n, shape in enumerate(((2, 3), (2, 3), (4, 4))):
        image = AreaImage(source_name="area_panel", unique_id=n, timestamp_ns=NOW + n * S, data=np.ones(shape, np.uint8))
        bench.data(TOPICS.area_detector, ENCODERS["ad00"](image))
    bench.wait(1)

    assert [signal(one).sum() for one in bench.results("cumulative", "area_panel")] == [6, 12, 16]
    assert [signal(one).sum() for one in bench.results("current", "area_panel")] == [6, 6, 16]


def test_data_that_do_not_fit_a_job_are_told_and_counted() -> None:
    bench = Bench()
    bench.command(start("panel_0_xy", "panel_0"))
    bench.data(TOPICS.detector, events("panel_0", NOW, [MS] * 3, []))
    bench.wait(1)

    job = bench.job("panel_0")
    assert job.status().state == "warning"
    assert sum(job.dropped.values()) == 3


def test_a_job_started_again_under_its_number_takes_the_place_of_the_first() -> None:
    bench = Bench()
    for _ in range(2):
        bench.command(start())
    bench.monitor(NOW, [MS])
    bench.wait(1)

    assert bench.counts() == [1]
    assert list(bench.worker.jobs.by_id) == [JobId(source_name="monitor1", job_number=NUMBER)]
