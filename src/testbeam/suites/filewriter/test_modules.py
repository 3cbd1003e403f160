"""Writer modules: what a message of each schema becomes in the file."""

from typing import Any

import numpy as np

from testbeam.clients.file_writer import Job
from testbeam.model.arrays import AreaImage, LabelledArray, Variable
from testbeam.model.samples import ConnectionChange, ConnectionState, SampleSeries, TimeSeries
from testbeam.model.time import NS_PER_MS
from testbeam.suites.filewriter.jobs import SPEED, Writing, alarm, entry_of, log, now_ms, ns, read


def written(writing: Writing, module: str, *values: Any, **config: Any) -> Job:
    """Return the job that wrote these messages with one module."""
    writing.send(*values)
    t = now_ms() - 10_000
    node = writing.group("s", module, topic=writing.data.name, source=SPEED, **config)
    return writing.write(node, start_time_ms=t, stop_time_ms=t + 8_000)


def test_alarms_and_connection_states_lie_beside_their_values(writing: Writing) -> None:
    t = now_ms() - 8_000
    change = ConnectionChange(source_name=SPEED, timestamp_ns=t * NS_PER_MS, state=ConnectionState.CONNECTED, service_id="f")
    job = written(writing, "f144", log(t), alarm(t, ""), change)

    with entry_of(job) as entry:
        assert read(entry, "s/alarm_severity", "s/alarm_time", "s/connection_status_time") == [[2], ns(t), ns(t)]
        assert entry["s/alarm_message"][0] == b"NO ALARM MESSAGE"
        assert entry["s/connection_status"][0] == ConnectionState.CONNECTED


def test_an_image_of_an_area_detector(writing: Writing) -> None:
    t = now_ms() - 8_000
    images = [
        AreaImage(source_name=SPEED, unique_id=i, timestamp_ns=(t + i) * NS_PER_MS, data=np.full((2, 3), i, np.uint16)) for i in range(3)
    ]
    job = written(writing, "ad00", *images, array_size=[2, 3], dtype="uint16")

    with entry_of(job) as entry:
        assert entry["s/value"][:].tolist() == [[[i] * 3] * 2 for i in range(3)]
        assert read(entry, "s/time") == [ns(t, t + 1, t + 2)]


def test_a_labelled_array(writing: Writing) -> None:
    t = now_ms() - 8_000
    signal = Variable(name="signal", data=np.arange(3, dtype=np.int32), axes=("x",), unit="counts")
    array = LabelledArray(source_name=SPEED, timestamp_ns=t * NS_PER_MS, variables=(signal,))
    variables = [{"name": "signal", "data_type": "int32", "shape": [3], "axes": ["x"], "unit": "counts"}]
    constants = [{"name": "x", "data_type": "float64", "data": [0.5, 1.5, 2.5]}]
    job = written(writing, "da00", array, variables=variables, constants=constants)

    with entry_of(job) as entry:
        assert read(entry, "s/signal", "s/x", "s/time") == [[[0, 1, 2]], [0.5, 1.5, 2.5], ns(t)]
        assert entry["s/signal"].attrs["units"] == "counts"


def test_samples_taken_fast(writing: Writing) -> None:
    t = now_ms() - 8_000
    series = SampleSeries(
        source_name=SPEED,
        channel=0,
        timestamp_ns=t * NS_PER_MS,
        time_delta_ns=1_000_000.0,
        message_counter=1,
        values=np.array([5, 6, 7], np.int64),
        timestamps_ns=np.array([], np.int64),
    )
    job = written(writing, "se00", series)

    with entry_of(job) as entry:
        assert read(entry, "s/value", "s/time") == [[5, 6, 7], ns(t, t + 1, t + 2)]


def test_times_of_a_chopper(writing: Writing) -> None:
    t = now_ms() - 8_000
    times = TimeSeries(source_name=SPEED, timestamps_ns=np.array(ns(t, t + 70), np.uint64), sequence_counter=1)
    writing.data.produce(times, timestamp_ms=t)
    job = written(writing, "tdct")

    with entry_of(job) as entry:
        assert read(entry, "s/time", "s/cue_index") == [ns(t, t + 70), [0]]


def test_metadata_of_the_job_as_nicos_asks_for_it(writing: Writing) -> None:
    t = now_ms()
    job = writing.start({"module": "mdat", "config": {"items": ["start_time", "end_time"]}}, start_time_ms=t)
    job.wait_started()
    job.stop()
    stopped = now_ms()
    job.wait_written()

    with entry_of(job) as entry:
        start, end = (np.datetime64(entry[name][()].decode().removesuffix("Z")) for name in ("start_time", "end_time"))
        assert start == np.datetime64(t, "ms")
        assert abs(end - np.datetime64(stopped, "ms")) < np.timedelta64(1, "s")


def test_two_different_writer_modules_with_same_flatbuffer_id(writing: Writing) -> None:
    t = now_ms() - 8_000
    writing.send(log(t, 3))
    nodes = [
        writing.group(name, "f144", topic=writing.data.name, source=SPEED, dtype=kind) for name, kind in (("a", "int32"), ("b", "double"))
    ]
    job = writing.write(*nodes, start_time_ms=t - 10, stop_time_ms=t + 10)

    with entry_of(job) as entry:
        assert (entry["a/value"].dtype, entry["b/value"].dtype) == (np.int32, np.float64)
        assert read(entry, "a/value", "b/value") == [[3], [3.0]]
