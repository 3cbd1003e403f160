"""Tests of what must not stall, crash or double anything: broken payloads, impossible times, restarts."""

import time
from typing import Any

import pytest

from testbeam.suites.livedata.live import MS, PULSE_NS, S
from testbeam.wire.flatbuffers.registry import ENCODERS


def close(live: Any, at_ns: int) -> None:
    live.pass_time(lambda later_ns: live.monitor("monitor1", later_ns, 0), at_ns)


def test_payloads_that_are_no_messages_are_passed_over(live: Any) -> None:
    number, at_ns = live.start("monitor_histogram", "monitor1"), live.now_ns()
    for topic in (live.topics.beam_monitor, live.topics.detector, live.topics.motion, live.topics.regions, live.topics.run_control):
        handle = live.broker.topic(topic)
        for payload in (b"", b"\0" * 7, b"\xff" * 64, b"\x08\0\0\0ev44" + b"\xff" * 200, b"\x08\0\0\0zz99" + bytes(50), b'{"json": 1}'):
            handle.produce(payload)
    live.monitor("monitor1", at_ns, 3)
    close(live, at_ns)

    live.wait_sum(number, 3)


@pytest.mark.parametrize("ahead_s", [240, 3_600, 7_000_000_000])
def test_a_time_in_the_far_future_stalls_nothing(live: Any, ahead_s: int) -> None:
    number, at_ns = live.start("monitor_histogram", "monitor1"), live.now_ns()
    for pulse in range(28):
        live.monitor("monitor1", at_ns + pulse * PULSE_NS, 2)
        if pulse == 13:
            live.monitor("monitor1", at_ns + ahead_s * S, 7)
    close(live, at_ns + 2 * S)

    found = live.wait(lambda: live.sum_of(number) >= 56, 8.0, "all good events")
    assert found
    good = [one for one in live.of(number, "counts_total") if one.span_ns[1] < at_ns + 60 * S]
    assert sum(one.values.sum() for one in good) >= 56


def test_times_at_the_beginning_of_the_epoch_stall_nothing(live: Any) -> None:
    number, at_ns = live.start("monitor_histogram", "monitor1"), live.now_ns()
    for early_ns in (1, 631_152_000 * S):
        live.monitor("monitor1", early_ns, 5)
    live.monitor("monitor1", at_ns, 3)
    close(live, at_ns)

    live.wait_result(number, "counts_total", lambda one: one.span_ns[0] >= at_ns - S and one.values >= 3)


def test_a_message_without_a_pulse_is_placed_at_kafka_s_time(live: Any) -> None:
    number, at_ns = live.start("monitor_histogram", "monitor1"), live.now_ns()
    live.events(live.topics.beam_monitor, "monitor1", None, [10 * MS] * 4)
    close(live, at_ns)

    result = live.wait_result(number, "counts_total", lambda one: one.values == 4)
    assert abs(result.span_ns[0] - at_ns) < 5 * S


def test_sources_that_are_unknown_are_listed_not_counted(live: Any) -> None:
    number, at_ns = live.start("monitor_histogram", "monitor1"), live.now_ns()
    live.monitor("somebody-else", at_ns, 100)
    live.monitor("monitor1", at_ns, 3)
    close(live, at_ns)

    live.wait_sum(number, 3)


def test_heartbeats_of_workers_have_the_facility_s_form(live: Any) -> None:
    name, status = live.wait(
        lambda: next(((n, s) for n, s in live.statuses if s["message"]["message_type"] == "service"), None), 10, "heartbeat of a worker"
    )
    instrument, service, worker = name.rsplit(":", 2)
    message = status["message"]

    assert (instrument, message["service_name"], message["worker_id"]) == ("dummy", service, worker)
    assert service in ("monitor_data", "detector_data", "data_reduction", "timeseries")
    assert (status["status"], message["state"]) == (200, "running")
    assert message["started_at"] < time.time_ns()
    assert message["active_job_count"] >= 0


@pytest.mark.testbeam_exclusive
def test_commands_from_before_a_start_are_not_done_again(live: Any, run: Any) -> None:
    number = live.start("monitor_histogram", "monitor1")
    run["livedata"].restart()
    at_ns = live.now_ns()
    before = len(live.of(number, "counts_total"))
    live.monitor("monitor1", at_ns, 5)
    close(live, at_ns)
    live.watch(2.0)
    assert len(live.of(number, "counts_total")) == before

    again = live.start("monitor_histogram", "monitor1")
    live.monitor("monitor1", at_ns + 5 * S, 5)
    close(live, at_ns + 5 * S)
    live.wait_sum(again, 5)


def test_every_schema_on_every_topic_harms_nothing(live: Any) -> None:
    number, at_ns = live.start("panel_0_xy", "panel_0"), live.now_ns()
    assert set(ENCODERS) >= {"ev44", "f144", "da00", "ad00"}
    live.value("motion1", at_ns, 1.0)
    live.broker.topic(live.topics.detector).produce(live.broker.topic(live.topics.motion).messages()[-1].payload)
    live.events(live.topics.detector, "panel_0", at_ns, [10 * MS] * 3, [])
    live.panel(at_ns, [5])
    live.pass_time(lambda later_ns: live.panel(later_ns, []), at_ns)

    live.wait_result(number, "counts_total_cumulative", lambda one: one.values >= 1)
