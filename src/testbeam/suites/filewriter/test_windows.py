"""Tests of time windows: messages belong into a file by their own times, whatever Kafka's times and those of others are."""

from testbeam.model.deadline import Deadline
from testbeam.suites.filewriter.jobs import SPEED, Writing, alarm, entry_of, events, log, now_ms, ns, read
from testbeam.wire.flatbuffers.registry import ENCODERS


def test_one_message_with_a_kafka_time_past_the_stop_ends_nothing(writing: Writing) -> None:
    t = now_ms() - 20_000
    writing.send(*(log(t + i, i) for i in range(5)))
    writing.data.produce(log(t + 5, 5, source="TB:OTHER"), timestamp_ms=t + 1_000 + 5_000)
    writing.send(*(log(t + i, i) for i in range(5, 200)))
    job = writing.write(writing.speed(), start_time_ms=t, stop_time_ms=t + 1_000)

    with entry_of(job) as entry:
        assert read(entry, "speed/value") == [list(range(200))]


def test_data_that_come_late_but_before_the_leeway_is_over_are_written(writing: Writing) -> None:
    t = now_ms()
    job = writing.start(writing.speed(), start_time_ms=t)
    job.wait_started()
    writing.send(log(t + 1, 1))
    job.stop(at_ms=now_ms() + 20)
    writing.send(log(t + 2, 2))
    job.wait_written()

    with entry_of(job) as entry:
        assert read(entry, "speed/value") == [[1, 2]]


def test_the_newest_value_before_the_start_is_found_in_any_partition_however_they_are_read(writing: Writing) -> None:
    t = now_ms() - 5_000
    topic = writing.new_topic("wide", partitions=2)
    producer = writing.broker.kafka.producer()
    for at, value, partition in ((t - 300, 1.0, 0), (t - 100, 2.0, 1), (t - 200, 3.0, 0), (t + 10, 4.0, 0), (t + 5, 5.0, 1)):
        producer.produce(topic.name, ENCODERS["f144"](log(at, value)), partition=partition, timestamp=at)
    assert producer.flush(10) == 0
    node = writing.group("speed", "f144", topic=topic.name, source=SPEED)
    job = writing.write(node, start_time_ms=t, stop_time_ms=t + 1_000)

    with entry_of(job) as entry:
        assert read(entry, "speed/value", "speed/time") == [[2, 5, 4], ns(t - 100, t + 5, t + 10)]


def test_alarms_have_a_newest_one_before_the_start_as_well(writing: Writing) -> None:
    t = now_ms() - 5_000
    writing.send(alarm(t - 200, "old"), alarm(t - 100, "HIHI"), log(t + 1))
    job = writing.write(writing.speed(), start_time_ms=t, stop_time_ms=t + 1_000)

    with entry_of(job) as entry:
        assert [text.decode() for text in entry["speed/alarm_message"][:]] == ["HIHI"]


def test_start_and_stop_belong_to_the_window(writing: Writing) -> None:
    t = now_ms() - 5_000
    writing.send(log(t, 1), log(t + 100, 2), events(t, [1]), events(t + 100, [2]), log(t + 101, 3), events(t + 101, [3]))
    job = writing.write(writing.speed(), writing.panel(), start_time_ms=t, stop_time_ms=t + 100)

    with entry_of(job) as entry:
        assert read(entry, "speed/value", "panel/event_time_offset") == [[1, 2], [1, 2]]


def test_a_stop_that_is_moved_later_loses_nothing_that_came_after_the_first(writing: Writing) -> None:
    t = now_ms()
    job = writing.start(writing.speed(), start_time_ms=t, stop_time_ms=t + 30_000)
    job.wait_started()
    writing.send(log(t + 40_000, 1))  # of a source whose clock is ahead
    deadline = Deadline(5)
    while writing.is_ours and job.wait_status()["received"] < 1:
        assert not deadline.passed
    job.stop(at_ms=t + 50_000)
    job.stop()
    job.wait_written()

    with entry_of(job) as entry:
        assert read(entry, "speed/value") == [[]]
