"""Tests of the data in the file: exactly those of the job's window."""

import numpy as np
import pytest

from testbeam.model.deadline import Deadline
from testbeam.nexus import compose
from testbeam.nexus.files import opened
from testbeam.suites.filewriter.jobs import SPEED, Writing, alarm, entry_of, events, log, now_ms, ns, read
from testbeam.wire.flatbuffers.registry import ENCODERS


def test_live_events_and_logs_are_written_exactly(writing: Writing) -> None:
    t = now_ms()
    job = writing.start(writing.speed(value_units="Hz"), writing.panel(), compose.dataset("title", "My run"), start_time_ms=t)
    job.wait_started()
    times = [t + i for i in range(20)]
    for i, at in enumerate(times):
        writing.send(log(at, i), events(at, range(i)))
    job.stop(at_ms=t + 1_000)
    job.wait_written()

    with entry_of(job) as entry:
        assert read(entry, "speed/time", "speed/value") == [ns(*times), list(range(20))]
        assert entry["speed/value"].attrs["units"] == "Hz"
        assert [entry[f"speed/{word}_value"][()] for word in ("minimum", "maximum", "average")] == [0, 19, 9.5]
        assert read(entry, "panel/event_time_zero") == [ns(*times)]
        assert entry["panel/event_time_offset"][:].tolist() == [e for i in range(20) for e in range(i)]
        assert entry["panel/event_id"][:].tolist() == [e + 1 for i in range(20) for e in range(i)]
        assert entry["panel/event_index"][:].tolist() == [sum(range(i)) for i in range(20)]
        assert entry["title"].asstr()[()] == "My run"
    assert not writing.is_ours or job.report["received"] == job.report["written"] == 40


def test_start_and_stop_in_the_past_give_the_exact_window_with_alarms(writing: Writing) -> None:
    t = now_ms() - 20_000
    empty = writing.new_topic("empty", partitions=3)
    writing.send(
        *(log(t + i * 100, i) for i in range(10)), *(alarm(t + i * 100) for i in range(3, 6)), *(events(t + i, [i]) for i in (0, 250, 950))
    )
    other = compose.log("other", topic=empty.name, source="nobody")
    job = writing.write(writing.speed(), writing.panel(), other, start_time_ms=t + 250, stop_time_ms=t + 700)

    with entry_of(job) as entry:
        assert read(entry, "speed/value", "speed/alarm_time") == [[2, 3, 4, 5, 6, 7], ns(t + 300, t + 400, t + 500)]
        assert read(entry, "panel/event_time_offset") == [[250]]
        assert entry["other/value"].shape == (0,)
    assert not writing.is_ours or job.report["dropped"] == {"outside window": 6}


def test_data_until_a_stop_in_the_future_are_written(writing: Writing) -> None:
    t = now_ms()
    job = writing.start(writing.speed(), start_time_ms=t, stop_time_ms=t + 1_000)
    job.wait_started()
    writing.send(log(t + 500), log(t + 1_000), log(t + 1_001))
    job.wait_written()

    assert now_ms() >= t + 1_000
    with entry_of(job) as entry:
        assert read(entry, "speed/time") == [ns(t + 500, t + 1_000)]


def test_the_last_value_before_the_start_is_written_when_nothing_comes_after_it(writing: Writing) -> None:
    t = now_ms() - 5_000
    writing.send(log(t - 200, 1), log(t - 100, 2), events(t - 100, [1]))
    job = writing.start(writing.speed(), writing.panel(), start_time_ms=t)
    job.wait_started()
    job.stop()
    job.wait_written()

    with entry_of(job) as entry:
        assert read(entry, "speed/time", "speed/value") == [ns(t - 100), [2]]
        assert entry["panel/event_time_zero"].shape == (0,)


def test_repeated_messages_are_dropped_for_logs_and_kept_for_events(writing: Writing) -> None:
    t = now_ms() - 5_000
    writing.send(log(t, 1), log(t, 2), log(t + 1, 3), events(t, [1]), events(t, [2]))
    job = writing.write(writing.speed(), writing.panel(), start_time_ms=t, stop_time_ms=t + 1_000)

    with entry_of(job) as entry:
        assert read(entry, "speed/value", "panel/event_time_offset") == [[1, 3], [1, 2]]
    assert not writing.is_ours or job.report["dropped"] == {"same time as the one before": 1}


def test_a_source_may_live_in_any_partition(writing: Writing) -> None:
    t = now_ms() - 5_000
    topic = writing.new_topic("wide", partitions=3)
    for i in range(12):
        topic.produce(log(t + i, i), key=f"key-{i}", timestamp_ms=t + i)
    node = compose.log("speed", topic=topic.name, source=SPEED)
    job = writing.write(node, start_time_ms=t, stop_time_ms=t + 1_000)

    with entry_of(job) as entry:
        assert sorted(read(entry, "speed/value")[0]) == list(range(12))


def test_links_arrays_and_attributes_of_the_structure_are_in_the_file(writing: Writing) -> None:
    ragged = compose.dataset("ragged", [[1, 2], [3]], "int32", units="m")
    job = writing.write(
        ragged, compose.link("alias", "speed/value"), writing.speed(dtype="int32"), start_time_ms=now_ms() - 9, stop_time_ms=now_ms()
    )

    with entry_of(job) as entry:
        assert entry["ragged"][:].tolist() == [[1, 2], [3, 0]]
        assert entry["ragged"].attrs["units"] == "m"
        assert entry["alias"] == entry["speed/value"]
        assert dict(entry["speed"].attrs) == {"NX_class": "NXlog", "topic": writing.data.name, "source": SPEED, "writer_module": "f144"}


def test_readers_can_follow_the_file_while_it_is_written(writing: Writing) -> None:
    t = now_ms()
    job = writing.start(writing.speed(), start_time_ms=t)
    job.wait_started()
    writing.send(log(t + 1), log(t + 2))

    deadline = Deadline(5)
    with opened(writing.path(), growing=True) as file:
        while len(file["entry/speed/value"]) < 2 and not deadline.passed:
            file["entry/speed/value"].refresh()
        assert file["entry/speed/value"][:].tolist() == [1.5, 1.5]
    job.stop()
    job.wait_written()


def test_what_came_after_an_earlier_stop_time_is_not_in_the_file(writing: Writing) -> None:
    t = now_ms()
    job = writing.start(writing.speed(), writing.panel(), start_time_ms=t)
    job.wait_started()
    writing.send(log(t + 100, 1), events(t + 100, [1]), log(t + 300, 2), events(t + 300, [2, 3]))
    deadline = Deadline(5)
    while job.wait_status()["written"] < 4:
        assert not deadline.passed
    job.stop(at_ms=t + 200)
    job.wait_written()

    with entry_of(job) as entry:
        assert read(entry, "speed/value", "panel/event_time_offset", "panel/event_index") == [[1], [1], [0]]
    assert not writing.is_ours or job.report["dropped"] == {"outside window": 2}


@pytest.mark.parametrize("size_mb", [1, 16])
def test_a_large_start_message_is_obeyed(writing: Writing, size_mb: int) -> None:
    text = "x" * (size_mb * 2**20)
    job = writing.start(compose.dataset("large", text), start_time_ms=now_ms() - 10, stop_time_ms=now_ms())
    job.wait_started(within_s=20)
    job.wait_written()

    with entry_of(job) as entry:
        assert len(entry["large"][()]) == len(text)


def test_many_sources_are_written_each_into_its_group(writing: Writing) -> None:
    t, names = now_ms() - 5_000, [f"TB:PV-{i}" for i in range(100)]
    producer = writing.broker.kafka.producer()
    for i in range(20):
        for number, name in enumerate(names):
            producer.produce(writing.data.name, ENCODERS["f144"](log(t + i, i * 1000 + number, name)), timestamp=t + i)
    producer.flush(10)
    nodes = [compose.log(f"pv_{number}", topic=writing.data.name, source=name) for number, name in enumerate(names)]
    job = writing.write(*nodes, start_time_ms=t, stop_time_ms=t + 1_000)

    with entry_of(job) as entry:
        values = np.array([entry[f"pv_{number}/value"][:] for number in range(len(names))])
    assert np.array_equal(values, np.add.outer(np.arange(100), np.arange(20) * 1000))


def test_a_detector_opens_as_one_with_its_pixels_and_events(writing: Writing) -> None:
    snx = pytest.importorskip("scippnexus")
    t = now_ms() - 5_000
    writing.send(events(t, range(4)), events(t + 1, range(2)))
    node = compose.group(
        "panel",
        "NXdetector",
        compose.dataset("detector_number", [[1, 2], [3, 4]], "int32"),
        compose.dataset("x_pixel_offset", [-0.5, 0.5], units="m"),
        compose.dataset("y_pixel_offset", [-0.5, 0.5], units="m"),
        compose.group("panel_events", "NXevent_data", compose.stream("ev44", topic=writing.data.name, source="panel")),
        axes=["y_pixel_offset", "x_pixel_offset"],
    )
    job = writing.write(compose.group("instrument", "NXinstrument", node), start_time_ms=t, stop_time_ms=t + 1_000)

    assert job.finished is not None
    with snx.File(job.finished.file_name) as file:
        panel = file["entry/instrument/panel"][...]
    events_of = panel["panel_events"]
    assert events_of.bins.size().sum().value == 6
    assert sorted(events_of.coords["detector_number"].values.ravel().tolist()) == [1, 2, 3, 4]
