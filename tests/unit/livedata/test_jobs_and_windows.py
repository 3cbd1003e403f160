"""Windows of data time, schedules, resets and run transitions of a worker, without Kafka and clock."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from testbeam.model.runs import RunStart, RunStop
from testbeam.services.livedata.core import IMPLAUSIBLE
from testbeam.services.livedata.inputs import MALFORMED
from testbeam.services.livedata.workflows.detector_view import UNKNOWN_PIXEL
from testbeam.services.livedata.workflows.monitor_histogram import OUTSIDE
from testbeam.wire.flatbuffers.registry import ENCODERS
from tests.unit.livedata.bench import NUMBER, T0, TOPICS, Bench, S, data_of, events, signal, start

NOW = T0 + 100 * S
MS = 1_000_000
PULSE = S // 14 + 1


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.command(start())
    return bench


def dropped(bench: Bench) -> dict[str, int]:
    return dict(bench.job().dropped)


def test_a_window_is_given_out_when_the_data_pass_its_end(bench: Bench) -> None:
    for pulse in range(14):
        bench.monitor(NOW + pulse * PULSE, [MS] * 10)
    assert bench.counts() == []

    bench.monitor(NOW + S, [MS] * 10)

    assert bench.counts() == [140]
    (array,) = bench.results("counts_total")
    assert (data_of(array, "start_time"), data_of(array, "time"), array.timestamp_ns) == (NOW, NOW + S, NOW)


def test_the_last_part_of_a_window_is_given_out_when_no_more_comes(bench: Bench) -> None:
    for pulse in range(20):
        bench.monitor(NOW + pulse * PULSE, [MS] * 10)
    bench.wait(0.6)

    assert bench.counts() == [140, 60]
    assert bench.counts("counts_total_cumulative") == [140, 200]
    bench.wait(5)
    assert len(bench.results("counts_total")) == 2


def test_parts_of_a_window_do_not_overlap(bench: Bench) -> None:
    bench.monitor(NOW + 100 * MS, [MS])
    bench.wait(0.6)
    bench.monitor(NOW + 600 * MS, [MS, MS])
    bench.wait(0.6)
    bench.monitor(NOW + 1200 * MS, [MS])
    bench.wait(0.6)

    spans = [(int(data_of(a, "start_time")), int(data_of(a, "time"))) for a in bench.results("counts_total")]
    assert bench.counts() == [1, 2, 1]
    assert all(begin < end for begin, end in spans)
    assert all(end <= begin for (_, end), (begin, _) in pairwise(spans))


def test_cumulative_results_begin_at_the_start_of_the_job(bench: Bench) -> None:
    for second in range(4):
        bench.monitor(NOW + second * S, [MS])

    begins = {int(data_of(array, "start_time")) for array in bench.results("cumulative")}
    assert begins == {NOW}
    assert [int(data_of(array, "time")) for array in bench.results("cumulative")] == [NOW + n * S for n in (1, 2, 3)]


def test_late_events_count_in_the_window_that_is_open(bench: Bench) -> None:
    bench.monitor(NOW, [MS])
    bench.monitor(NOW + S, [MS])
    bench.monitor(NOW + 10 * MS, [MS] * 5)
    bench.monitor(NOW + 2 * S, [MS])

    assert bench.counts() == [1, 6]


@settings(phases=(Phase.explicit, Phase.reuse, Phase.generate))  # a failing case is told by its arguments; shrinking takes minutes
@given(
    rate=st.sampled_from([0.1, 1.0, 13.9, 14.0, 14.1, 100.0]),
    jitter=st.floats(0, 0.5),
    gaps=st.dictionaries(st.integers(1, 60), st.floats(0.5, 30), max_size=3),
    batch=st.integers(1, 40),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_event_is_counted_once_whatever_the_rate(rate: float, jitter: float, gaps: dict[int, float], batch: int, seed: int) -> None:
    bench, rng = Bench(), np.random.default_rng(seed)
    bench.command(start())
    at_s, injected, waiting = 0.0, 0, []
    for number in range(80):
        at_s += 1 / rate + gaps.get(number, 0.0)
        bench.wait(1 / rate + gaps.get(number, 0.0))
        n = int(rng.integers(0, 5))
        injected += n
        waiting.append(events("monitor1", NOW + round((at_s + jitter / rate * rng.uniform(-1, 1)) * S), [MS] * n, [1] * n))
        if len(waiting) == batch:
            bench.data(TOPICS.beam_monitor, *waiting)
            waiting = []
    if waiting:
        bench.data(TOPICS.beam_monitor, *waiting)
    bench.wait(2)
    bench.wait(2)

    counts, totals = bench.counts(), bench.counts("counts_total_cumulative")
    assert sum(counts) + sum(dropped(bench).values()) == injected
    assert totals[-1] == sum(counts)
    assert sum(dropped(bench).values()) == 0
    assert all(data_of(a, "start_time") <= data_of(a, "time") for a in bench.results("counts_total"))


@pytest.mark.parametrize("ahead_s", [3600, 240, (9_223_372_036 - 1_700_000_100)])
@pytest.mark.parametrize("place", ["first", "between", "last", "alone"])
def test_a_time_in_the_far_future_delays_nothing_and_is_counted(bench: Bench, ahead_s: int, place: str) -> None:
    poison = events("monitor1", NOW + ahead_s * S - 1, [MS] * 7, [1] * 7)
    good = [events("monitor1", NOW + n * PULSE, [MS], [1]) for n in range(28)]
    sequence = {"first": [poison, *good], "between": [*good[:13], poison, *good[13:]], "last": [*good, poison], "alone": [poison]}[place]
    for payload in sequence:
        bench.data(TOPICS.beam_monitor, payload)
        bench.wait(1 / 14)
    bench.wait(1.0)

    assert sum(bench.counts()) == (0 if place == "alone" else 28)
    assert dropped(bench) == {IMPLAUSIBLE: 7}
    assert all(abs(int(data_of(a, "time")) - NOW) < 5 * S for a in bench.results("counts_total"))


def test_poison_again_and_again_stalls_nothing(bench: Bench) -> None:
    for pulse in range(140):
        bench.monitor(NOW + pulse * PULSE, [MS])
        if pulse % 14 == 0:
            bench.monitor(NOW + pulse * PULSE + 240 * S, [MS])
        bench.wait(1 / 14)
    bench.wait(1)

    assert sum(bench.counts()) == 140
    assert dropped(bench) == {IMPLAUSIBLE: 10}
    assert len(bench.results("counts_total")) >= 10


@pytest.mark.parametrize("at_ns", [0, 1, -(2**63), 631_152_000 * S, 10 * S])
def test_a_time_before_the_year_2000_is_dropped_and_counted(bench: Bench, at_ns: int) -> None:
    bench.monitor(at_ns, [MS] * 3)
    bench.monitor(NOW, [MS])
    bench.wait(1)

    assert (sum(bench.counts()), dropped(bench)) == (1, {IMPLAUSIBLE: 3})


def test_a_replay_of_old_data_and_a_gap_in_it_are_accepted(bench: Bench) -> None:
    year = 365 * 86_400 * S
    payloads = [events("monitor1", NOW - year + n * PULSE, [MS], [1]) for n in range(28)]
    payloads += [events("monitor1", NOW - year + 600 * S + n * PULSE, [MS], [1]) for n in range(28)]
    bench.data(TOPICS.beam_monitor, *payloads)
    bench.wait(1)

    assert (sum(bench.counts()), dropped(bench)) == (56, {})


def test_a_stream_that_goes_back_for_good_is_followed(bench: Bench) -> None:
    for second in (0, 1, 2):
        bench.monitor(NOW + second * S, [MS])
    for pulse in range(42):
        bench.monitor(NOW - 3600 * S + pulse * PULSE, [MS])
        bench.wait(1 / 14)
    bench.wait(1)

    assert sum(bench.counts()) == 45
    assert all(data_of(a, "start_time") <= data_of(a, "time") for a in bench.results("cumulative"))


def test_events_without_a_pulse_are_placed_at_kafka_s_time(bench: Bench) -> None:
    bench.data(TOPICS.beam_monitor, events("monitor1", None, [MS] * 3, [1] * 3), kafka_ns=NOW + 500 * MS)
    bench.wait(1)

    (array,) = bench.results("counts_total")
    assert (signal(array), data_of(array, "start_time")) == (3, NOW)


def test_a_reset_gives_out_what_is_counted_and_begins_anew(bench: Bench) -> None:
    bench.monitor(NOW, [MS] * 5)
    bench.command(b'{"kind":"job_command","action":"reset","workflow_id":"dummy/monitor_histogram/1"}')
    assert bench.counts("counts_total_cumulative") == [5]
    bench.wait(5)
    assert bench.counts("counts_total_cumulative") == [5]

    bench.monitor(NOW + 10 * S, [MS] * 2)
    bench.wait(1)

    assert bench.counts("counts_total_cumulative") == [5, 2]
    assert int(data_of(bench.results("cumulative")[-1], "start_time")) == NOW + 10 * S


def test_a_schedule_takes_only_the_data_of_its_time() -> None:
    bench = Bench()
    bench.command(start(schedule={"start_time": NOW + 2 * S, "end_time": NOW + 4 * S}))
    assert bench.job().status().state == "scheduled"
    for second in range(6):
        bench.monitor(NOW + second * S, [MS] * (second + 1))

    assert sum(bench.counts()) == 3 + 4
    assert not bench.worker.jobs.by_id
    assert [job.job_id.job_number for job in bench.worker.jobs.stopped] == [NUMBER]


def test_a_batch_that_crosses_the_end_of_a_schedule_is_split() -> None:
    bench = Bench()
    bench.command(start(schedule={"start_time": NOW + 2 * S, "end_time": NOW + 4 * S}))
    bench.data(TOPICS.beam_monitor, *(events("monitor1", NOW + n * S // 2, [MS], [1]) for n in range(12)))

    assert sum(bench.counts()) == 4


def test_no_result_spans_more_than_the_schedule() -> None:
    bench = Bench()
    bench.command(start(schedule={"start_time": NOW + 2 * S + 300 * MS, "end_time": NOW + 4 * S + 450 * MS}))
    bench.data(TOPICS.beam_monitor, *(events("monitor1", NOW + n * S // 10, [MS], [1]) for n in range(60)))

    spans = [(int(data_of(a, "start_time")) - NOW, int(data_of(a, "time")) - NOW) for a in bench.results("cumulative")]
    assert spans[0][0] == 2 * S + 300 * MS
    assert spans[-1][1] == 4 * S + 450 * MS
    assert sum(bench.counts()) == 22


def run_start(at_ns: int, stop_ns: int = 0) -> bytes:
    return ENCODERS["pl72"](RunStart(job_id="j", filename="f", nexus_structure="{}", start_time_ms=at_ns // MS, stop_time_ms=stop_ns // MS))


def test_a_run_begins_its_counts_at_its_start_in_data_time(bench: Bench) -> None:
    bench.worker.take_run_control(run_start(NOW + S, NOW + 3 * S))
    bench.data(TOPICS.beam_monitor, *(events("monitor1", NOW + n * S // 2, [MS], [1]) for n in range(8)))
    bench.wait(1)

    assert bench.counts("counts_total_cumulative") == [2, 2, 4, 2]
    assert [int(data_of(a, "start_time")) - NOW for a in bench.results("cumulative")] == [0, S, S, 3 * S]
    assert bench.job().began_ns == NOW + 3 * S  # from which on another worker would count


def test_a_stop_of_a_run_begins_anew_too(bench: Bench) -> None:
    bench.worker.take_run_control(ENCODERS["6s4t"](RunStop(job_id="j", command_id="c", stop_time_ms=(NOW + S) // MS)))
    bench.data(TOPICS.beam_monitor, *(events("monitor1", NOW + n * S // 2, [MS], [1]) for n in range(4)))
    bench.wait(1)

    assert bench.counts("counts_total_cumulative") == [2, 2]


def test_a_run_transition_within_a_window_splits_it(bench: Bench) -> None:
    bench.worker.take_run_control(run_start(NOW + S // 2))
    bench.data(TOPICS.beam_monitor, *(events("monitor1", NOW + n * S // 4, [MS], [1]) for n in range(4)))
    bench.wait(1)

    assert bench.counts() == [2, 2]


def test_sources_out_of_step_at_a_run_transition_lose_no_event_and_double_none() -> None:
    from testbeam.instruments.loader import load

    bench = Bench(instrument=load("bifrost", prefix="dummy"))
    first, second = load("bifrost").detectors[0].sources[:2]
    identifier = {"instrument": "bifrost", "name": "unified_detector_view", "version": 1}
    bench.command(start(source="unified_detector", identifier=identifier))
    bench.worker.take_run_control(run_start(NOW + 4 * S))
    for second_number in range(10):
        bench.data(TOPICS.detector, events(first, NOW + second_number * S, [MS] * 2, [1] * 2), partition=0)
        late = second_number - 2
        if late >= 0:
            bench.data(TOPICS.detector, events(second, NOW + late * S, [MS] * 3, [901] * 3), partition=1)
        bench.wait(1)
    for late in (8, 9):
        bench.data(TOPICS.detector, events(second, NOW + late * S, [MS] * 3, [901] * 3), partition=1)
    bench.wait(1)

    totals = bench.counts("counts_total_cumulative", "unified_detector")
    first_run = totals[next(i for i, (a, b) in enumerate(pairwise(totals)) if b < a)]
    assert (first_run, totals[-1]) == (4 * 5, 6 * 5)
    assert sum(bench.counts("counts_total", "unified_detector")) == 50


def test_a_worker_that_ends_gives_out_its_last_windows(bench: Bench) -> None:
    bench.monitor(NOW, [MS] * 5)
    bench.sent += bench.worker.finish(bench.now_s)

    assert bench.counts() == [5]


def test_a_job_that_is_stopped_gives_out_its_last_window_before_the_answer(bench: Bench) -> None:
    bench.monitor(NOW, [MS] * 5)
    bench.command(b'{"kind":"job_command","action":"stop","workflow_id":"dummy/monitor_histogram/1","message_id":"m-2"}')

    assert bench.counts() == [5]
    assert bench.answers()[-1] == ("m-2", "all", "ACK")
    assert bench.sent[-1].topic == TOPICS.responses


def test_unknown_pixels_and_times_outside_are_counted_as_dropped() -> None:
    bench = Bench()
    bench.command(start("panel_0_xy", "panel_0"))
    bench.data(TOPICS.detector, events("panel_0", NOW, [MS, MS, -1, 99 * MS, MS], [1, 16_384, 5, 6, 16_385]))
    bench.wait(1)

    assert bench.counts(source="panel_0") == [2]
    assert dict(bench.job("panel_0").dropped) == {UNKNOWN_PIXEL: 1, OUTSIDE: 2}


def test_the_same_data_give_the_same_results_in_whichever_batches(bench: Bench) -> None:
    other = Bench()
    other.command(start())
    payloads = [events("monitor1", NOW + n * PULSE, [MS * (n % 50)] * n, [1] * n) for n in range(60)]
    for payload in payloads:
        bench.data(TOPICS.beam_monitor, payload)
    other.data(TOPICS.beam_monitor, *payloads)

    def given(one: Bench) -> list[Any]:
        return [x.payload for x in one.sent if x.topic == TOPICS.results]

    assert given(bench) == given(other)
    assert given(bench)


def test_a_source_whose_clock_stands_still_is_shown_all_the_same(bench: Bench) -> None:
    for _ in range(200):
        bench.monitor(NOW, [MS] * 2)
        bench.wait(0.07)
    shown = sum(bench.counts())
    bench.wait(1)

    assert 200 < shown <= sum(bench.counts()) == 400
    spans = [(int(data_of(one, "start_time")), int(data_of(one, "time"))) for one in bench.results("counts_total")]
    assert all(NOW <= start_ns <= end_ns <= NOW + S for start_ns, end_ns in spans)


@pytest.mark.parametrize(("pixels", "pulses", "indices"), [(2, 1, 1), (3, 2, 1), (3, 1, 2)])
def test_arrays_whose_lengths_differ_are_malformed_and_the_next_message_counts(pixels: int, pulses: int, indices: int) -> None:
    library = pytest.importorskip("streaming_data_types.eventdata_ev44")  # which writes them without a word
    bench = Bench()
    bench.command(start("panel_0_xy", "panel_0"))
    wrong = library.serialise_ev44("panel_0", 1, [NOW] * pulses, [0] * indices, [MS] * 3, [1] * pixels)
    bench.data(TOPICS.detector, wrong, events("panel_0", NOW, [MS], [1]))
    bench.wait(1)

    assert bench.worker.drops.counts == {MALFORMED: 1}
    assert [int(signal(one)) for one in bench.results("counts_total", "panel_0")] == [1]
