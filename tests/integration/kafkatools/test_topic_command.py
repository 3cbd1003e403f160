import json
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from testbeam.clients.topics import TopicHandle
from testbeam.errors import SettingsError
from testbeam.kafkatools.inspect.listing import list_topics
from testbeam.model.samples import LogValue
from testbeam.transport.kafka.client import Kafka
from tests.hostile.corpus import HOSTILE, VALID
from tests.integration.kafkatools.sending import COMMAND, message, send, start

NewTopic = Callable[..., TopicHandle]
Command = Callable[..., int]
Captured = pytest.CaptureFixture[str]


def log(source: str, number: float) -> LogValue:
    return LogValue(source_name=source, value=np.float64(number), timestamp_ns=1)


def test_ls_tells_partitions_messages_time_and_schemas(kafka: Kafka, new_topic: NewTopic, command: Command, capsys: Captured) -> None:
    mixed, empty = new_topic("mixed", partitions=3), new_topic("empty")
    rows = [message(0, value=VALID["f144"]), message(1, value=VALID["ev44"], partition=2), message(2, value=b"\1\2")]
    send(kafka, mixed.name, rows)

    assert command("topic", "ls", "-b", kafka.bootstrap) == 0

    lines = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines()}
    assert lines[mixed.name] == ["3", "3", "2023-11-14T22:13:20.002Z", "-", "ev44", "f144"]
    assert lines[empty.name] == ["1", "0", "-", "-"]
    assert not [name for name in lines if name.startswith("__")]


def test_ls_as_json_has_a_line_a_topic(kafka: Kafka, new_topic: NewTopic, command: Command, capsys: Captured) -> None:
    topic = new_topic()
    send(kafka, topic.name, [message(0, value=VALID["al00"])])

    assert command("topic", "ls", "-b", kafka.bootstrap, "--json", "--all") == 0

    listed = {entry["topic"]: entry for entry in map(json.loads, capsys.readouterr().out.splitlines())}
    assert listed[topic.name] | {"topic": ""} == {
        "topic": "",
        "partitions": 1,
        "messages": 1,
        "newest": "2023-11-14T22:13:20.000Z",
        "newest_ms": 1_700_000_000_000,
        "schemas": ["al00"],
    }


def test_without_a_sample_topics_are_only_counted(kafka: Kafka, new_topic: NewTopic) -> None:
    topic = new_topic()
    send(kafka, topic.name, [message(number) for number in range(5)])

    facts = {one.name: one for one in list_topics(kafka, sample=0)}[topic.name]

    assert (facts.messages, facts.newest_ms, facts.schemas) == (5, None, ())


def test_tail_shows_the_newest_in_the_order_of_time(kafka: Kafka, new_topic: NewTopic, command: Command, capsys: Captured) -> None:
    topic = new_topic(partitions=3)
    send(kafka, topic.name, [message(number, partition=number % 3) for number in range(30)])

    assert command("topic", "tail", topic.name, "-n", 4, "-b", kafka.bootstrap) == 0

    shown = [line.split("  ")[1].strip() for line in capsys.readouterr().out.splitlines()]
    assert shown == ["2@8", "0@9", "1@9", "2@9"]


def test_tail_shows_any_junk_as_junk(kafka: Kafka, new_topic: NewTopic, command: Command, capsys: Captured) -> None:
    topic = new_topic()
    payloads = [payload for _, payload in HOSTILE]
    send(kafka, topic.name, [message(number, value=payload) for number, payload in enumerate([None, *payloads])])

    assert command("topic", "tail", topic.name, "-n", len(payloads) + 1, "-b", kafka.bootstrap) == 0

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(payloads) + 1
    assert "tombstone" in lines[0]
    foreign = [line for line in lines[1:] if "JUNK" not in line]
    assert len(foreign) == sum(name in ("JSON instead of a message", "JSON that is cut off", "text") for name, _ in HOSTILE)
    assert all("  json  " in line or "  text  " in line for line in foreign)


def test_tail_finds_a_rare_source_far_back(new_topic: NewTopic, kafka: Kafka, command: Command, capsys: Captured) -> None:
    topic = new_topic(partitions=2)
    topic.produce(log("RARE", 42))
    send(kafka, topic.name, [message(number, value=VALID["f144"], partition=number % 2) for number in range(3_000)])

    assert command("topic", "tail", topic.name, "--source", "RARE", "-b", kafka.bootstrap) == 0

    (line,) = capsys.readouterr().out.splitlines()
    assert "f144  RARE  42.0 float64" in line


def test_tail_finds_the_newest_of_a_source_on_a_busy_partition(
    new_topic: NewTopic, kafka: Kafka, command: Command, capsys: Captured
) -> None:
    topic = new_topic(partitions=2)
    send(kafka, topic.name, [message(number, key=b"hit") for number in range(10)])
    busy = [message(100 + number, partition=1, key=b"hit" if number < 3 else b"other") for number in range(2_000)]
    send(kafka, topic.name, busy)

    assert command("topic", "tail", topic.name, "--key", "hit", "-n", 4, "--json", "-b", kafka.bootstrap) == 0

    shown = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["partition"], one["offset"]) for one in shown] == [(0, 9), (1, 0), (1, 1), (1, 2)]


def test_tail_of_one_key_or_partition_shows_only_it(kafka: Kafka, new_topic: NewTopic, command: Command, capsys: Captured) -> None:
    topic = new_topic(partitions=2)
    send(kafka, topic.name, [message(number, partition=number % 2) for number in range(6)])

    assert command("topic", "tail", topic.name, "--key", "key 3", "--json", "-b", kafka.bootstrap) == 0
    assert command("topic", "tail", topic.name, "--partition", 1, "--json", "-b", kafka.bootstrap) == 0

    shown = [json.loads(line)["key"] for line in capsys.readouterr().out.splitlines()]
    assert shown == ["key 3", "key 1", "key 3", "key 5"]


def test_tail_since_shows_all_from_then_on(kafka: Kafka, new_topic: NewTopic, command: Command, capsys: Captured) -> None:
    topic = new_topic()
    send(kafka, topic.name, [message(number) for number in range(40)])

    assert command("topic", "tail", topic.name, "--since", "2023-11-14T22:13:20.015Z", "--json", "-b", kafka.bootstrap) == 0
    assert command("topic", "tail", topic.name, "--since", "beginning", "-n", 2, "--json", "-b", kafka.bootstrap) == 0

    assert [json.loads(line)["offset"] for line in capsys.readouterr().out.splitlines()] == [*range(15, 40), 38, 39]


def test_tail_that_shows_nothing_says_why(kafka: Kafka, new_topic: NewTopic, command: Command, capsys: Captured) -> None:
    topic, empty = new_topic(), new_topic("empty")
    topic.produce(log("TB:VOLT", 1))

    assert command("topic", "tail", topic.name, "--source", "TB:VLOT", "-b", kafka.bootstrap) == 0
    assert command("topic", "tail", empty.name, "-b", kafka.bootstrap) == 0
    assert command("topic", "tail", topic.name, "--since", "2200-01-01T00:00:00Z", "-b", kafka.bootstrap) == 0

    wrong, none, old = capsys.readouterr().err.splitlines()
    assert wrong == f"no message of source 'TB:VLOT' on '{topic.name}'; the newest are of TB:VOLT"
    assert none == f"topic '{empty.name}' is empty"
    assert old.startswith("nothing is that new; the newest message")


def test_a_topic_that_is_not_there_is_told_with_near_names(kafka: Kafka, new_topic: NewTopic, command: Command, capsys: Captured) -> None:
    topic = new_topic()

    assert command("topic", "tail", f"{topic.name}s", "-b", kafka.bootstrap) == 3
    assert command("topic", "decode", f"{topic.name}s", "--offset", "0@0", "-b", kafka.bootstrap) == 3

    assert capsys.readouterr().err.count(f"did you mean {topic.name}") == 2


def test_a_partition_that_is_not_there_is_told(kafka: Kafka, new_topic: NewTopic, command: Command, capsys: Captured) -> None:
    topic = new_topic()

    assert command("topic", "tail", topic.name, "--partition", 7, "-b", kafka.bootstrap) == 2

    assert "--partition: 7 can't be used" in capsys.readouterr().err


@pytest.mark.parametrize(("place", "offset"), [("0@1", 1), ("0@-1", 2)])
def test_decode_shows_all_of_one_message(
    place: str, offset: int, kafka: Kafka, new_topic: NewTopic, command: Command, capsys: Captured
) -> None:
    topic = new_topic()
    send(kafka, topic.name, [message(number, value=VALID["ev44"]) for number in range(3)])

    assert command("topic", "decode", topic.name, "--offset", place, "--full", "-b", kafka.bootstrap) == 0

    shown = json.loads(capsys.readouterr().out)
    assert (shown["offset"], shown["key"], shown["headers"]) == (offset, f"key {offset}", [["n", f"{offset}"]])
    assert shown["value"]["pixel_id"] == {"dtype": "int32", "shape": [5], "values": [1, 128, 129, 16384, 7]}


def test_decode_of_a_missing_offset_says_which_are_there(kafka: Kafka, new_topic: NewTopic, command: Command, capsys: Captured) -> None:
    topic, empty = new_topic(), new_topic("empty")
    send(kafka, topic.name, [message(number) for number in range(3)])

    assert command("topic", "decode", topic.name, "--offset", "0@3", "-b", kafka.bootstrap) == 2
    assert command("topic", "decode", topic.name, "--offset", "0@-4", "-b", kafka.bootstrap) == 2
    assert command("topic", "decode", empty.name, "--offset", "0@-1", "-b", kafka.bootstrap) == 2

    assert [line.rpartition("; ")[2] for line in capsys.readouterr().err.splitlines()] == [
        "partition 0 holds 0 to 2",
        "partition 0 holds 0 to 2",
        "partition 0 is empty",
    ]


def test_decode_of_a_gap_says_what_follows(kafka: Kafka, new_topic: NewTopic) -> None:
    from testbeam.kafkatools.inspect.one import message_at

    topic = new_topic()
    producer = kafka.producer(transactional_id=topic.name)
    producer.init_transactions(30)
    for number in range(2):  # each transaction ends with a mark that takes an offset
        producer.begin_transaction()
        producer.produce(topic.name, b"%d" % number)
        producer.commit_transaction(30)

    assert message_at(kafka, topic.name, 0, 2).value == b"1"
    with pytest.raises(SettingsError, match="left a gap; the next message is 0@2"):
        message_at(kafka, topic.name, 0, 1)
    with pytest.raises(SettingsError, match="left a gap; no message follows"):
        message_at(kafka, topic.name, 0, -1)


def test_decode_reads_a_payload_from_a_file(tmp_path: Path, command: Command, capsys: Captured) -> None:
    (tmp_path / "one.bin").write_bytes(VALID["f144"])
    (tmp_path / "junk.bin").write_bytes(b"\1\2")

    assert command("topic", "decode", tmp_path / "one.bin") == 0
    assert json.loads(capsys.readouterr().out)["value"]["value"] == -12.75
    assert command("topic", "decode", tmp_path / "junk.bin") == 3
    assert json.loads(capsys.readouterr().out)["problem"] == "too short for a message"
    assert command("topic", "decode", tmp_path / "none.bin") == 2
    assert "a topic with --offset P@O" in capsys.readouterr().err


def test_decode_reads_a_payload_from_stdin() -> None:
    done = subprocess.run([*COMMAND, "topic", "decode", "-"], input=VALID["al00"], capture_output=True, check=False, timeout=60)

    assert json.loads(done.stdout)["value"]["severity"] == "MAJOR"
    assert done.returncode == 0


def test_following_shows_what_comes_until_ctrl_c(kafka: Kafka, new_topic: NewTopic) -> None:
    topic = new_topic(partitions=2)
    send(kafka, topic.name, [message(0)])
    following = start("topic", "tail", topic.name, "-f", "--json", "-b", kafka.bootstrap)
    assert following.stdout is not None
    with following:
        shown = [json.loads(following.stdout.readline())]
        send(kafka, topic.name, [message(number, partition=number % 2) for number in range(1, 9)])
        shown += [json.loads(following.stdout.readline()) for _ in range(8)]
        following.send_signal(signal.SIGINT)
        out, err = following.communicate(timeout=60)

    assert sorted(one["key"] for one in shown) == [f"key {number}" for number in range(9)]
    assert (following.returncode, out, err) == (0, "", "")


def test_following_from_now_on_misses_nothing_and_shows_nothing_older(kafka: Kafka, new_topic: NewTopic) -> None:
    from testbeam.kafkatools.inspect.tail import tail

    topic = new_topic()
    send(kafka, topic.name, [message(0)])
    stop = threading.Event()
    seen: list[int] = []
    for look, burst in enumerate(tail(kafka, topic.name, count=0, follow=True, stop=stop)):
        if look == 0:
            send(kafka, topic.name, [message(1), message(2)])
        seen += [row.offset for row in burst]
        if seen and seen[-1] == 2:
            stop.set()

    assert seen == [1, 2]


def test_a_reader_that_goes_away_ends_tail_without_a_word(kafka: Kafka, new_topic: NewTopic) -> None:
    topic = new_topic()
    send(kafka, topic.name, [message(number, value=bytes(100)) for number in range(20_000)])
    tailing = start("topic", "tail", topic.name, "--since", "beginning", "-f", "-b", kafka.bootstrap)
    assert tailing.stdout is not None
    assert tailing.stderr is not None
    with tailing:
        assert tailing.stdout.readline()
        tailing.stdout.close()
        assert tailing.wait(timeout=60) == 0
        assert tailing.stderr.read() == ""
