"""Views of detectors that move: counts of two positions are kept apart, whatever comes first."""

import pytest

from testbeam.model.live import JobState
from tests.unit.livedata.bench import TOPICS, Bench, S, data_of, events, signal, start, value

MS = 1_000_000
VIEW = "panel_0_moving"


@pytest.fixture
def bench() -> Bench:
    return Bench()


def moved(bench: Bench, at_ns: int, to: float) -> None:
    bench.data(TOPICS.motion, value("motion1", at_ns, to))


def counted(bench: Bench, at_ns: int, pixels: int) -> None:
    bench.data(TOPICS.detector, events("panel_0", at_ns, [MS] * pixels, [1] * pixels))


def totals(bench: Bench) -> list[tuple[int, float]]:
    return [(int(signal(one)), float(data_of(one, "motion1"))) for one in bench.results("counts_total_cumulative", "panel_0")]


def test_a_job_waits_for_the_first_position_by_name(bench: Bench) -> None:
    bench.command(start(VIEW, "panel_0"))
    (waiting,) = bench.worker.statuses()
    assert (waiting.state, "motion1" in waiting.warning) == (JobState.PENDING_CONTEXT, True)

    moved(bench, bench.now_ns, 5.0)
    (active,) = bench.worker.statuses()
    assert active.state is JobState.ACTIVE


def test_a_position_from_before_the_job_counts(bench: Bench) -> None:
    moved(bench, bench.now_ns - 10 * S, 5.0)
    bench.command(start(VIEW, "panel_0"))
    counted(bench, bench.now_ns, 3)
    bench.wait(1)

    assert totals(bench) == [(3, 5.0)]


@pytest.mark.parametrize("order", ["position first", "events first"])
def test_counts_before_and_after_a_move_are_not_added(bench: Bench, order: str) -> None:
    bench.command(start(VIEW, "panel_0"))
    now_ns = bench.now_ns
    moved(bench, now_ns - S, 5.0)
    counted(bench, now_ns + 100 * MS, 3)
    if order == "position first":
        moved(bench, now_ns + 200 * MS, 6.0)
        counted(bench, now_ns + 150 * MS, 4)
        counted(bench, now_ns + 200 * MS, 10)
    else:
        counted(bench, now_ns + 150 * MS, 4)
        moved(bench, now_ns + 200 * MS, 6.0)
        counted(bench, now_ns + 200 * MS, 10)
    bench.wait(1)

    assert totals(bench) == [(7, 5.0), (10, 6.0)]
    before, after = bench.results("counts_total_cumulative", "panel_0")
    assert data_of(before, "time") <= data_of(after, "start_time")
    assert sum(int(signal(one)) for one in bench.results("counts_total", "panel_0")) == 17


@pytest.mark.parametrize("to", [5.0, 5.009])
def test_the_same_position_again_moves_nothing(bench: Bench, to: float) -> None:
    bench.command(start(VIEW, "panel_0"))
    now_ns = bench.now_ns
    moved(bench, now_ns, 5.0)
    counted(bench, now_ns + 100 * MS, 3)
    moved(bench, now_ns + 150 * MS, to)
    counted(bench, now_ns + 200 * MS, 4)
    bench.wait(1)

    assert [total for total, _ in totals(bench)] == [7]


def test_a_detector_that_moves_for_hours_without_beam_is_held_in_little_memory(bench: Bench) -> None:
    bench.command(start(VIEW, "panel_0"))
    now_ns = bench.now_ns
    for step in range(1_000):
        moved(bench, now_ns + (step - 1_000) * 10 * MS, float(step))
    counted(bench, now_ns, 3)
    bench.wait(4)

    assert totals(bench) == [(3, 999.0)]
    assert sum(int(signal(one)) for one in bench.results("counts_total", "panel_0")) == 3
