"""What a worker that takes a job over gives out: what the one before it owed, and nothing twice."""

import numpy as np

from testbeam.model.arrays import Variable
from testbeam.model.live import JobId
from testbeam.services.livedata.jobs import Result
from testbeam.services.livedata.told import newest, without_told
from testbeam.services.livedata.workflows.seam import Output, Temporality, scalar
from tests.unit.livedata.bench import NUMBER, T0, TOPICS, Bench, S, data_of, signal, start, value

NOW = T0 + 100 * S
MS = 1_000_000
MINE = JobId(source_name="monitor1", job_number=NUMBER)


def results_of(bench: Bench) -> list[bytes]:
    return [one.payload for one in bench.sent if one.topic == TOPICS.results]


def test_the_newest_time_of_each_output_is_found_among_results_of_others_and_junk() -> None:
    bench = Bench()
    bench.command(start())
    bench.command(start(source="monitor2"))
    bench.monitor(NOW, [MS])
    bench.monitor(NOW + S, [MS])
    bench.monitor(NOW + 5 * S, [MS], source="monitor2")
    bench.wait(1)

    found = newest([*results_of(bench), b"junk with " + NUMBER.encode(), b""], MINE)

    assert found["counts_total"] == found["cumulative"] == data_of(bench.results("counts_total")[-1], "time")
    assert NOW + S < found["counts_total"] < NOW + 2 * S


def test_a_series_is_as_new_as_its_last_point_and_gives_out_the_later_ones() -> None:
    bench = Bench()
    bench.command(start("timeseries_data", "motion1"))
    bench.data(TOPICS.motion, value("motion1", NOW, 1.0), value("motion1", NOW + MS, 2.0))
    bench.wait(1)
    told = newest(results_of(bench), JobId(source_name="motion1", job_number=NUMBER))
    assert told == {"delta": NOW + MS}

    times = np.array([NOW, NOW + MS, NOW + 2 * MS])
    of_time = tuple(Variable(name=name, data=data, axes=("time",)) for name, data in (("signal", np.arange(3.0)), ("time", times)))
    series = Output(name="delta", temporality=Temporality.SERIES, variables=of_time)
    (left,) = without_told(Result(outputs=(series,), window_start_ns=NOW, start_ns=NOW, time_ns=NOW + S), told)
    assert [one.data.tolist() for one in left.variables if not isinstance(one.data, str)] == [[2.0], [NOW + 2 * MS]]


def test_of_a_window_only_the_outputs_that_are_missing_are_given_out() -> None:
    outputs = [scalar(name, 1, Temporality.WINDOW, "") for name in ("counts_total", "current")]
    window = Result(outputs=outputs, window_start_ns=NOW, start_ns=NOW, time_ns=NOW + S)

    assert [one.name for one in without_told(window, {"counts_total": NOW + S})] == ["current"]
    assert [one.name for one in without_told(window, {"counts_total": NOW + S, "current": NOW})] == ["current"]
    assert [one.name for one in without_told(window, {})] == ["counts_total", "current"]


def test_a_window_is_split_where_its_first_part_was_given_out_before() -> None:
    bench = Bench()
    bench.command(start())
    bench.job().split_ns = NOW + 400 * MS
    for offset in (0, 300, 400, 900, 1_000):
        bench.monitor(NOW + offset * MS, [MS])
    bench.wait(1)

    spans = [(int(data_of(one, "start_time")) - NOW, int(data_of(one, "time")) - NOW) for one in bench.results("counts_total")]
    assert spans[:2] == [(0, 400 * MS), (400 * MS, S)]
    assert [int(signal(one)) for one in bench.results("counts_total")] == [2, 2, 1]
