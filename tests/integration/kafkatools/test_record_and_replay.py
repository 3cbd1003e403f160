import threading
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource  # type: ignore[attr-defined]  # their stubs forget it

from testbeam.clients.topics import TopicHandle
from testbeam.errors import RecordingError, SettingsError, TopicMissing, TransportError
from testbeam.kafkatools.recording import record
from testbeam.kafkatools.recording_file import summary
from testbeam.kafkatools.recording_span import Span
from testbeam.kafkatools.replay_names import Names
from testbeam.kafkatools.replaying import replay
from testbeam.transport.kafka.client import Kafka, create_topics
from testbeam.wire.kafka.message import KafkaMessage
from tests.hostile.corpus import HOSTILE
from tests.integration.kafkatools.sending import message, numbers, on, send, start

NewTopic = Callable[..., TopicHandle]
Command = Callable[..., int]
Captured = pytest.CaptureFixture[str]

ODD = [
    message(0, key=None, headers=()),
    message(1, value=None),
    message(2, value=b"", key=b""),
    message(3, partition=2, headers=(("a", b"1"), ("a", None), ("µ", b"\xff"), ("", b""))),
    message(4, partition=2, timestamp_ms=1),
    *(message(5 + number, partition=1, value=payload) for number, (_, payload) in enumerate(HOSTILE)),
    message(9_000, value=bytes(3_000_000)),
]


def as_is(rows: list[KafkaMessage]) -> list[KafkaMessage]:
    """Return rows with headers of one kind of sequence, and with the offsets that they got."""
    numbered: dict[int, int] = {}
    found = []
    for row in sorted(rows, key=lambda row: row.partition):
        offset = numbered[row.partition] = numbered.get(row.partition, -1) + 1
        found.append(row._replace(headers=tuple(map(tuple, row.headers)), offset=offset))  # type: ignore[arg-type]
    return found


def fresh(what: str) -> Names:
    return Names(prefix=f"{what}-{uuid4().hex[:8]}.")


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("speed", [None, 1_000.0])
def test_what_is_recorded_comes_back_byte_for_byte(
    compress: bool, speed: float | None, kafka: Kafka, new_topic: NewTopic, tmp_path: Path
) -> None:
    odd, other, empty = new_topic("odd", partitions=3), new_topic("other"), new_topic("empty", partitions=2)
    send(kafka, odd.name, ODD)
    send(kafka, other.name, [message(1)])
    names = fresh("replayed")

    recorded = record(kafka, [odd.name, other.name, empty.name], tmp_path / "bug", span=Span(from_ms=0), compress=compress)
    replayed = replay(kafka, tmp_path / "bug", names=names, speed=speed, create=True)

    assert recorded.messages == {odd.name: len(ODD), other.name: 1, empty.name: 0}
    assert replayed.messages == {names.prefix + name: count for name, count in recorded.messages.items()}
    assert (replayed.failed, replayed.notes, replayed.stopped) == ({}, (), False)
    assert as_is(on(kafka, names.prefix + odd.name)) == as_is(ODD)
    assert on(kafka, names.prefix + other.name) == on(kafka, other.name)
    with kafka.reader() as reader:
        assert [len(reader.partitions(names.prefix + topic.name)) for topic in (odd, other, empty)] == [3, 1, 2]


def test_the_commands_do_the_same_and_say_how_many(
    kafka: Kafka, new_topic: NewTopic, tmp_path: Path, command: Command, capsys: Captured
) -> None:
    topic, file = new_topic(partitions=2), tmp_path / "bug.tbrec"
    send(kafka, topic.name, [message(number, partition=number % 2) for number in range(10)])
    target = f"replayed-{uuid4().hex[:8]}"

    assert command("record", topic.name, "-o", file, "--from", "beginning", "-b", kafka.bootstrap) == 0
    recorded = capsys.readouterr().out
    assert command("replay", file, "--map", f"{topic.name}={target}", "--create", "--speed", "max", "-b", kafka.bootstrap) == 0
    replayed = capsys.readouterr().out
    assert command("replay", file, "--list") == 0
    listed = capsys.readouterr().out
    assert command("replay", file, "--show") == 0
    shown = capsys.readouterr().out

    assert f"{topic.name}  10 messages" in recorded
    assert "all that was asked for is there" in recorded
    assert f"{target}  10 messages" in replayed
    assert f"{topic.name}  2 partitions, 10 messages" in listed
    assert "2023-11-14T22:13:20.000Z to 2023-11-14T22:13:20.009Z" in listed
    assert listed.splitlines()[-1] == "ended in order: all that was asked for is there"
    assert len(shown.splitlines()) == 10
    assert numbers(on(kafka, target)) == [0, 2, 4, 6, 8, 1, 3, 5, 7, 9]


def test_replayed_now_messages_bear_the_time_of_sending(kafka: Kafka, new_topic: NewTopic, tmp_path: Path) -> None:
    topic, names = new_topic(), fresh("now")
    send(kafka, topic.name, [message(0)])
    record(kafka, [topic.name], tmp_path / "bug", span=Span(from_ms=0))
    before_ms = time.time_ns() // 1_000_000

    replay(kafka, tmp_path / "bug", names=names, speed=None, keep_times=False, create=True)

    (row,) = on(kafka, names.prefix + topic.name)
    assert row.timestamp_ms >= before_ms
    assert row.value == b"payload 0"


def test_a_given_time_is_recorded_from_its_first_message_to_its_last(kafka: Kafka, new_topic: NewTopic, tmp_path: Path) -> None:
    topic = new_topic(partitions=2)
    send(kafka, topic.name, [message(number, partition=number % 2) for number in range(100)])
    at_ms = 1_700_000_000_000

    recorded = record(kafka, [topic.name], tmp_path / "span", span=Span(from_ms=at_ms + 20, to_ms=at_ms + 30))

    assert recorded.total == 10
    told = summary(tmp_path / "span")
    assert (told.first_ms, told.last_ms) == (at_ms + 20, at_ms + 29)


def test_so_many_messages_are_recorded_and_no_more(kafka: Kafka, new_topic: NewTopic, tmp_path: Path) -> None:
    topic = new_topic()
    send(kafka, topic.name, [message(number) for number in range(50)])

    recorded = record(kafka, [topic.name], tmp_path / "some", span=Span(from_ms=0, messages=7))

    assert (recorded.total, recorded.reason) == (7, "7 messages")
    assert summary(tmp_path / "some").messages == {(topic.name, 0): 7}


def test_from_now_on_nothing_older_is_recorded_and_silence_ends_it(kafka: Kafka, new_topic: NewTopic, tmp_path: Path) -> None:
    topic = new_topic()
    send(kafka, topic.name, [message(0)])

    def send_later() -> None:
        _until_made(tmp_path / "idle")
        send(kafka, topic.name, [message(1), message(2)])

    sender = threading.Thread(target=send_later)
    sender.start()

    recorded = record(kafka, [topic.name], tmp_path / "idle", span=Span(idle_s=1.0))
    sender.join()

    assert recorded.reason == "nothing came for 1 s"
    assert recorded.total == 2
    assert 1.0 <= recorded.seconds < 10


def test_a_given_length_of_time_ends_it(kafka: Kafka, new_topic: NewTopic, tmp_path: Path) -> None:
    recorded = record(kafka, [new_topic().name], tmp_path / "short", span=Span(for_s=0.3))

    assert (recorded.total, recorded.reason) == (0, "0.3 s have passed")
    assert summary(tmp_path / "short").how_it_ends() == "ended in order: 0.3 s have passed"


def test_an_end_that_lies_ahead_is_waited_for(kafka: Kafka, new_topic: NewTopic, tmp_path: Path) -> None:
    topic = new_topic()
    to_ms = time.time_ns() // 1_000_000 + 600
    send(kafka, topic.name, [message(0, timestamp_ms=to_ms - 1), message(1, timestamp_ms=to_ms + 60_000)])

    recorded = record(kafka, [topic.name], tmp_path / "ahead", span=Span(from_ms=to_ms - 1_000, to_ms=to_ms))

    assert (recorded.reason, time.time_ns() // 1_000_000 >= to_ms) == ("all that was asked for is there", True)
    assert summary(tmp_path / "ahead").last_ms is not None


def test_an_end_in_the_past_without_a_beginning_is_refused(kafka: Kafka, new_topic: NewTopic, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"to_ms: .* a time that lies ahead, or say with `from_ms`"):
        record(kafka, [new_topic().name], tmp_path / "past", span=Span(to_ms=1_000))
    assert not (tmp_path / "past").exists()


def test_ctrl_c_ends_a_recording_in_order(kafka: Kafka, new_topic: NewTopic, tmp_path: Path) -> None:
    topic = new_topic()
    recorder = start("record", topic.name, "-o", "bug", "-b", kafka.bootstrap, folder=tmp_path)
    with recorder:
        _until_made(tmp_path / "bug")
        send(kafka, topic.name, [message(number) for number in range(5)])
        _until_recorded(tmp_path / "bug", 5)
        recorder.send_signal(2)
        out, err = recorder.communicate(timeout=60)

    assert (recorder.returncode, err) == (0, "")
    assert "5 messages" in out
    assert summary(tmp_path / "bug").how_it_ends() == "ended in order: told to stop"


def test_a_killed_recorder_leaves_a_file_that_is_replayed_with_all_it_had(kafka: Kafka, new_topic: NewTopic, tmp_path: Path) -> None:
    topic, names = new_topic(), fresh("killed")
    recorder = start("record", topic.name, "-o", "bug", "-b", kafka.bootstrap, folder=tmp_path)
    with recorder:
        _until_made(tmp_path / "bug")
        send(kafka, topic.name, [message(number) for number in range(500)])
        _until_recorded(tmp_path / "bug", 500)
        recorder.kill()
    raw = (tmp_path / "bug").read_bytes()
    (tmp_path / "bug").write_bytes(raw[:-1])  # as if it had been killed within a write

    replayed = replay(kafka, tmp_path / "bug", names=names, speed=None, create=True)

    lost = 500 - replayed.total
    assert 0 < lost <= 500
    assert f"{lost} messages are lost); {replayed.total} messages are whole" in replayed.notes[0]
    assert numbers(on(kafka, names.prefix + topic.name)) == list(range(replayed.total))


def test_a_damaged_recording_is_not_sent_unless_one_says_so(kafka: Kafka, new_topic: NewTopic, tmp_path: Path) -> None:
    topic, names, path = new_topic(), fresh("damaged"), tmp_path / "bug"
    send(kafka, topic.name, [message(number) for number in range(10)])
    record(kafka, [topic.name], path, span=Span(from_ms=0))
    raw = path.read_bytes()
    at = raw.index(b"payload 4")
    path.write_bytes(raw[:at] + b"?" + raw[at + 1 :])

    with pytest.raises(RecordingError, match=r"is damaged: bytes \d+ to \d+: .*checksum.*`skip_damaged=True`"):
        replay(kafka, path, names=names, speed=None, create=True)
    with kafka.reader() as reader, pytest.raises(TopicMissing):
        reader.partitions(names.prefix + topic.name)

    replayed = replay(kafka, path, names=names, speed=None, create=True, skip_damaged=True)
    assert replayed.notes[0].startswith("left out: bytes ")
    assert replayed.total == 10 - int(replayed.notes[0].split("; ")[1].split()[0])


def test_messages_never_go_back_into_their_own_topics_by_mistake(kafka: Kafka, new_topic: NewTopic, tmp_path: Path) -> None:
    topic = new_topic()
    send(kafka, topic.name, [message(0)])
    record(kafka, [topic.name], tmp_path / "bug", span=Span(from_ms=0))

    with pytest.raises(SettingsError, match=r"recorded from this very broker.*`same_topics=True`"):
        replay(kafka, tmp_path / "bug")
    assert topic.count() == 1

    replay(kafka, tmp_path / "bug", same_topics=True)
    assert topic.count() == 2


def test_a_missing_topic_is_only_made_if_asked_for(kafka: Kafka, new_topic: NewTopic, tmp_path: Path) -> None:
    topic = new_topic()
    record(kafka, [topic.name], tmp_path / "bug", span=Span(from_ms=0))

    with pytest.raises(TopicMissing, match="`create=True`, which makes it"):
        replay(kafka, tmp_path / "bug", names=fresh("missing"))


def test_a_topic_with_fewer_partitions_is_refused_before_anything_is_sent(kafka: Kafka, new_topic: NewTopic, tmp_path: Path) -> None:
    topic, narrow = new_topic(partitions=3), new_topic("narrow")
    send(kafka, topic.name, [message(0), message(1, partition=2)])
    record(kafka, [topic.name], tmp_path / "bug", span=Span(from_ms=0))

    with pytest.raises(TransportError, match=f"'{narrow.name}'.* has 1 partitions; the recording has 3; give it 3, or .*`create=True`"):
        replay(kafka, tmp_path / "bug", names=Names(renames={topic.name: narrow.name}))
    assert narrow.count() == 0


def test_a_topic_that_takes_no_message_of_this_size_is_refused_before_anything_is_sent(
    kafka: Kafka, new_topic: NewTopic, tmp_path: Path
) -> None:
    topic, small = new_topic(), f"small-{uuid4().hex[:8]}"
    create_topics(kafka, {small: 1}, config={"max.message.bytes": "1000"})
    send(kafka, topic.name, [message(0, value=bytes(5_000))])
    record(kafka, [topic.name], tmp_path / "bug", span=Span(from_ms=0))

    with pytest.raises(TransportError, match=r"takes 1000 bytes; a recorded message has 50.*raise its max.message.bytes"):
        replay(kafka, tmp_path / "bug", names=Names(renames={topic.name: small}))


def test_a_topic_that_takes_only_small_batches_gets_small_batches(kafka: Kafka, new_topic: NewTopic, tmp_path: Path) -> None:
    topic, small = new_topic(), f"small-{uuid4().hex[:8]}"
    create_topics(kafka, {small: 1}, config={"max.message.bytes": "2000"})
    rows = [message(number, value=b"%1200d" % number) for number in range(100)]
    send(kafka, topic.name, rows)
    record(kafka, [topic.name], tmp_path / "bug", span=Span(from_ms=0))

    replayed = replay(kafka, tmp_path / "bug", names=Names(renames={topic.name: small}), speed=None)

    assert (replayed.total, replayed.failed) == (100, {})
    assert numbers(on(kafka, small)) == list(range(100))


def test_old_messages_on_a_topic_that_forgets_are_warned_of(kafka: Kafka, new_topic: NewTopic, tmp_path: Path) -> None:
    topic, forgetful = new_topic(), new_topic("forgetful")
    admin = kafka.admin()
    entry = ConfigEntry("retention.ms", "86400000", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, forgetful.name, incremental_configs=[entry])
    admin.incremental_alter_configs([resource])[resource].result(10)
    send(kafka, topic.name, [message(0)])
    record(kafka, [topic.name], tmp_path / "bug", span=Span(from_ms=0))

    replayed = replay(kafka, tmp_path / "bug", names=Names(renames={topic.name: forgetful.name}))

    assert replayed.notes == (replayed.notes[0],)
    assert "deletes messages after 1 days, and these are" in replayed.notes[0]


def test_times_that_lie_too_far_ahead_are_refused_before_anything_is_sent(kafka: Kafka, new_topic: NewTopic, tmp_path: Path) -> None:
    topic, prefix = new_topic(), fresh("ahead").prefix
    for name, limit_ms in (("open", "3600000"), ("strict", "1000")):
        create_topics(kafka, {prefix + name: 1}, config={"message.timestamp.after.max.ms": limit_ms})
    send(kafka, topic.name, [message(0, timestamp_ms=time.time_ns() // 1_000_000 + 600_000)])
    record(kafka, [topic.name], tmp_path / "bug", span=Span(from_ms=0))

    assert replay(kafka, tmp_path / "bug", names=Names(renames={topic.name: f"{prefix}open"}), speed=None).total == 1
    with pytest.raises(TransportError, match="refuses times as old or new as the recorded ones; replay with `keep_times=False`"):
        replay(kafka, tmp_path / "bug", names=Names(renames={topic.name: f"{prefix}strict"}))


@pytest.mark.parametrize(("speed", "least_s"), [(1.0, 1.0), (4.0, 0.25)])
def test_messages_come_as_far_apart_as_they_came_at_first(
    speed: float, least_s: float, kafka: Kafka, new_topic: NewTopic, tmp_path: Path
) -> None:
    topic, names = new_topic(), fresh("paced")
    send(kafka, topic.name, [message(number, timestamp_ms=1_700_000_000_000 + 100 * number) for number in range(11)])
    record(kafka, [topic.name], tmp_path / "bug", span=Span(from_ms=0))

    replay(kafka, tmp_path / "bug", names=names, speed=speed, keep_times=False, create=True)

    times_ms = [row.timestamp_ms for row in on(kafka, names.prefix + topic.name)]
    assert times_ms == sorted(times_ms)
    assert 0.8 * least_s < (times_ms[-1] - times_ms[0]) / 1e3 < 5 * least_s  # the first one may be late
    assert len(set(times_ms)) > 5  # and they did not all come at once


def test_a_replay_that_is_stopped_says_how_far_it_came(kafka: Kafka, new_topic: NewTopic, tmp_path: Path) -> None:
    topic, names, stop = new_topic(), fresh("stopped"), threading.Event()
    send(kafka, topic.name, [message(0), message(1, timestamp_ms=1_700_003_600_000)])
    record(kafka, [topic.name], tmp_path / "bug", span=Span(from_ms=0))
    threading.Timer(0.3, stop.set).start()

    replayed = replay(kafka, tmp_path / "bug", names=names, create=True, stop=stop)

    assert (replayed.total, replayed.stopped) == (1, True)
    assert numbers(on(kafka, names.prefix + topic.name)) == [0]


def test_only_the_topics_that_are_asked_for_are_replayed(kafka: Kafka, new_topic: NewTopic, tmp_path: Path) -> None:
    one, two = new_topic("one"), new_topic("two")
    send(kafka, one.name, [message(1)])
    send(kafka, two.name, [message(2)])
    record(kafka, [one.name, two.name], tmp_path / "bug", span=Span(from_ms=0))
    prefix = fresh("only").prefix

    replayed = replay(kafka, tmp_path / "bug", names=Names(prefix=prefix, only=(two.name,)), create=True)

    assert replayed.messages == {prefix + two.name: 1}


def test_a_topic_that_is_not_there_leaves_no_file(kafka: Kafka, new_topic: NewTopic, tmp_path: Path, command: Command) -> None:
    topic = new_topic()

    assert command("record", f"{topic.name}x", "-o", tmp_path / "none", "-b", kafka.bootstrap) == 3
    assert not (tmp_path / "none").exists()


def test_an_existing_file_is_kept_unless_forced(
    kafka: Kafka, new_topic: NewTopic, tmp_path: Path, command: Command, capsys: Captured
) -> None:
    topic = new_topic()
    (tmp_path / "bug").write_text("precious")

    assert command("record", topic.name, "-o", tmp_path / "bug", "--from", "beginning", "-b", kafka.bootstrap) == 2
    assert "--force" in capsys.readouterr().err
    assert (tmp_path / "bug").read_text() == "precious"
    assert command("record", topic.name, "-o", tmp_path / "bug", "--force", "--from", "beginning", "-b", kafka.bootstrap) == 0


def _until_made(path: Path) -> None:
    """Wait until a recorder has its positions: it makes the file after that."""
    _until(path.exists)


def _until_recorded(path: Path, count: int) -> None:
    _until(lambda: summary(path).messages.total() == count)


def _until(is_so: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < end_s
        time.sleep(0.01)
