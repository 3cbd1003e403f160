"""Counts: every event that is sent is in a result once, in its window, its bin and its cell, or told as dropped."""

import time
from itertools import pairwise
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from testbeam.model.arrays import AreaImage, LabelledArray, Variable
from testbeam.model.runs import RunStart
from testbeam.suites.livedata.live import MS, PULSE_NS, RESULT_S, S

MONITOR_OUTPUTS = (
    "cumulative",
    "current",
    "counts_total",
    "counts_total_cumulative",
    "counts_in_toa_range",
    "counts_in_toa_range_cumulative",
)


def close(live: Any, at_ns: int, source: str = "monitor1") -> None:
    live.pass_time(lambda later_ns: live.monitor(source, later_ns, 0), at_ns)


def test_all_outputs_of_a_monitor_say_the_same(live: Any) -> None:
    number, at_ns = live.start("monitor_histogram", "monitor1"), live.now_ns()
    for pulse in range(5):
        live.monitor("monitor1", at_ns + pulse * PULSE_NS, 3, time_ns=10 * MS + pulse)
    close(live, at_ns)
    live.wait_sum(number, 15)

    totals = {output: live.wait_result(number, output, lambda one: one.values.sum() > 0) for output in MONITOR_OUTPUTS}
    assert {output: one.values.sum() for output, one in totals.items()} == dict.fromkeys(MONITOR_OUTPUTS, 15)
    histogram = totals["current"]
    assert histogram.array.variables[0].axes == ("time_of_arrival",)
    assert (histogram.values.shape, histogram.unit("signal"), histogram.unit("time_of_arrival")) == ((100,), "counts", "ms")
    edges = histogram.data("time_of_arrival")
    (place,) = np.flatnonzero(histogram.values)
    assert edges[place] <= 10 < edges[place + 1]
    start_ns, time_ns = histogram.span_ns
    assert start_ns <= at_ns + 4 * PULSE_NS
    assert start_ns < time_ns
    assert histogram.array.timestamp_ns == start_ns


def test_injected_equals_published_over_many_windows(live: Any) -> None:
    number, at_ns, injected = live.start("monitor_histogram", "monitor1"), live.now_ns(), 0
    for pulse in range(70):
        live.monitor("monitor1", at_ns + pulse * PULSE_NS, pulse)
        injected += pulse
    close(live, at_ns + 5 * S)

    windows = live.wait_sum(number, injected)
    assert live.wait_result(number, "counts_total_cumulative", lambda one: one.values == injected)
    spans = [one.span_ns for one in windows]
    assert all(begin < end for begin, end in spans)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


def test_the_last_part_of_a_window_is_given_out_without_further_data(live: Any) -> None:
    number, at_ns = live.start("monitor_histogram", "monitor1"), live.now_ns()
    for pulse in range(20):
        live.monitor("monitor1", at_ns + pulse * PULSE_NS, 10)

    live.wait_sum(number, 200)


def test_a_reset_begins_anew(live: Any) -> None:
    number, at_ns = live.start("monitor_histogram", "monitor1"), live.now_ns()
    live.monitor("monitor1", at_ns, 50)
    close(live, at_ns)
    live.wait_sum(number, 50)
    assert live.act("reset", "monitor1", number)["response"] == "ACK"
    live.monitor("monitor1", at_ns + 4 * S, 4)
    close(live, at_ns + 4 * S)

    after = live.wait_result(number, "counts_total_cumulative", lambda one: one.values == 4)
    assert after.span_ns[0] > at_ns


def test_a_panel_s_pixels_are_where_they_belong(live: Any) -> None:
    number, at_ns = live.start("panel_0_xy", "panel_0"), live.now_ns()
    pixels = [1, 128, 129, 129, 16_384]
    live.panel(at_ns, pixels)
    live.pass_time(lambda later_ns: live.panel(later_ns, []), at_ns)

    image = live.wait_result(number, "cumulative", lambda one: one.values.sum() == len(pixels))
    assert image.values.shape == (128, 128)
    assert image.array.variables[0].axes == ("y", "x")
    assert [image.values[y, x] for y, x in ((0, 0), (0, 127), (1, 0), (127, 127))] == [1, 1, 2, 1]


def test_events_that_are_in_no_bin_or_of_no_pixel_are_not_counted(live: Any) -> None:
    number, at_ns = live.start("panel_0_xy", "panel_0"), live.now_ns()
    live.events(live.topics.detector, "panel_0", at_ns, [10 * MS, -5, 500 * MS, 10 * MS, 10 * MS], [1, 2, 3, 0, 16_385])
    live.pass_time(lambda later_ns: live.panel(later_ns, []), at_ns)

    live.wait_sum(number, 1)
    if live.is_ours:
        live.wait(lambda: sum(live.wait_status("panel_0", number, {"active"})["dropped"].values()) == 4, 10, "account of four events")


def test_a_range_and_edges_of_ones_own(live: Any) -> None:
    params = {
        "toa_edges": {"start": 0.0, "stop": 50.0, "num_bins": 50, "unit": "ms"},
        "toa_range": {"enabled": True, "start": 20.0, "stop": 30.0, "unit": "ms"},
    }
    number, at_ns = live.start("monitor_histogram", "monitor1", params), live.now_ns()
    live.events(live.topics.beam_monitor, "monitor1", at_ns, [5 * MS, 25 * MS, 25 * MS, 45 * MS])
    close(live, at_ns)
    live.wait_sum(number, 4)

    assert live.wait_result(number, "counts_in_toa_range", lambda one: one.values > 0).values == 2
    assert live.of(number, "cumulative")[-1].values.shape == (50,)


@pytest.mark.parametrize(
    ("kind", "shape"), [("roi_rectangle", {0: ((2, 5), (1, 3))}), ("roi_polygon", {4: ((1.5, 4.5, 4.5, 1.5), (0.5, 0.5, 2.5, 2.5))})]
)
def test_a_region_s_spectrum_counts_its_cells(live: Any, kind: str, shape: Any) -> None:
    number, at_ns = live.start("panel_0_xy", "panel_0"), live.now_ns()
    live.regions("panel_0", number, kind, shape)
    time.sleep(0.5)  # regions come on a topic of their own
    inside, outside = [128 * 1 + 3 + 1, 128 * 2 + 4 + 1, 128 * 2 + 4 + 1], [1, 128 * 10 + 10 + 1]
    live.panel(at_ns, inside + outside, time_ns=20 * MS)
    live.pass_time(lambda later_ns: live.panel(later_ns, []), at_ns)

    spectra = live.wait_result(number, "roi_spectra_cumulative", lambda one: one.values.sum() == 3)
    assert spectra.values.shape == (1, 100)
    assert spectra.data("roi").tolist() == list(shape)
    readback = live.wait_result(number, kind, lambda one: len(one.values) > 0)
    assert sorted(set(readback.data("roi_index").tolist())) == list(shape)


def test_a_region_that_is_deleted_is_gone(live: Any) -> None:
    number, at_ns = live.start("panel_0_xy", "panel_0"), live.now_ns()
    for step, shapes in enumerate(({0: ((0, 5), (0, 5)), 1: ((5, 9), (5, 9))}, {1: ((5, 9), (5, 9))})):
        live.regions("panel_0", number, "roi_rectangle", shapes)
        time.sleep(0.5)
        live.panel(at_ns + 4 * step * S, [1])
        live.pass_time(lambda later_ns: live.panel(later_ns, []), at_ns + 4 * step * S)
        live.wait_result(number, "roi_spectra_cumulative", lambda one, s=shapes: one.data("roi").tolist() == list(s))


def test_histograms_of_a_monitor_are_counted_by_overlap(live: Any) -> None:
    edges = {"toa_edges": {"start": 0.0, "stop": 70.0, "num_bins": 7, "unit": "ms"}}
    number, at_ns = live.start("monitor_histogram", "monitor2", edges), live.now_ns()
    variables = (
        Variable(name="signal", data=np.array([10.0, 20.0]), axes=("frame_time",), unit="counts"),
        Variable(name="frame_time", data=np.array([0, 20 * MS, 25 * MS], np.int64), axes=("frame_time",), unit="ns"),
    )
    topic = live.broker.topic(live.topics.beam_monitor)
    topic.produce(LabelledArray(source_name="monitor2", timestamp_ns=at_ns, variables=variables))
    empty = (Variable(name="signal", data=np.zeros(2), axes=("frame_time",), unit="counts"), variables[1])
    for second in (1, 2, 3):
        topic.produce(LabelledArray(source_name="monitor2", timestamp_ns=at_ns + second * S, variables=empty))

    histogram = live.wait_result(number, "cumulative", lambda one: one.values.sum() > 0)
    assert np.allclose(histogram.values, [5, 5, 20, 0, 0, 0, 0])


def test_a_time_series_has_each_value_once(live: Any) -> None:
    number, at_ns = live.start("timeseries_data", "motion1"), live.now_ns()
    sent = [(at_ns + n * 100 * MS, float(n)) for n in range(12)]
    for stamp_ns, value in sent:
        for _ in range(2):  # as those that repeat values at an interval do
            live.value("motion1", stamp_ns, value)
    for second in (2, 3, 4):
        live.value("motion1", at_ns + second * S, 100.0)

    def points() -> list[tuple[int, float]]:
        chunks = [(one.data("time"), one.values) for one in live.of(number, "delta")]
        return [(int(t), float(v)) for times, values in chunks for t, v in zip(np.atleast_1d(times), np.atleast_1d(values), strict=True)]

    found = live.wait(lambda: len([p for p in points() if p in sent]) >= len(sent) and points(), RESULT_S, "all values")
    assert [point for point in found if at_ns <= point[0] < at_ns + 2 * S] == sent


def test_a_time_series_can_not_be_reset(live: Any) -> None:
    number = live.start("timeseries_data", "motion1")

    assert live.act("reset", "motion1", number)["response"] == "ERR"


def test_images_of_a_camera_are_summed(live: Any) -> None:
    number, at_ns = live.start("area_panel_xy", "area_panel"), live.now_ns()
    topic = live.broker.topic(live.topics.area_detector)
    for n in range(6):
        data = np.full((4, 5), n, np.uint16)
        topic.produce(AreaImage(source_name="area_panel", unique_id=n, timestamp_ns=at_ns + n * S, data=data))

    assert live.wait_result(number, "cumulative", lambda one: one.values.sum() >= (1 + 2 + 3) * 20).values.shape == (4, 5)


def test_the_counts_of_a_device_for_control(live: Any) -> None:
    tail = live.broker.topic(live.topics.devices).tail()
    number, at_ns = live.start("monitor_histogram", "monitor1"), live.now_ns()
    live.monitor("monitor1", at_ns, 6)
    close(live, at_ns)
    live.wait_sum(number, 6)

    found = [one.value for one in tail.take(1, within_s=20) if one.value.source_name == "monitor1_counts_total"]
    tail.close()
    assert {variable.name for variable in found[-1].variables} >= {"signal", "start_time", "time", "end_time"}


def test_a_run_s_start_begins_the_counts_anew(live: Any) -> None:
    number, at_ns = live.start("monitor_histogram", "monitor1"), live.now_ns()
    live.monitor("monitor1", at_ns, 9)
    close(live, at_ns)
    live.wait_sum(number, 9)
    start_ns = at_ns + 4 * S
    run = RunStart(job_id=str(uuid4()), filename="f.nxs", nexus_structure="{}", run_name="r", start_time_ms=start_ns // MS)
    live.broker.topic(live.topics.run_control).produce(run)
    time.sleep(0.5)  # it comes on a topic of its own
    live.monitor("monitor1", start_ns + S // 2, 4)
    close(live, start_ns + S)

    assert live.wait_result(number, "counts_total_cumulative", lambda one: one.values == 4)


def test_a_schedule_counts_its_own_time_and_ends(live: Any) -> None:
    at_ns = live.now_ns()
    schedule = {"start_time": at_ns + 2 * S, "end_time": at_ns + 4 * S}
    number = live.start("monitor_histogram", "monitor1", schedule=schedule)
    for second in range(7):
        live.monitor("monitor1", at_ns + second * S, 10 + second)

    live.wait_sum(number, 12 + 13)
