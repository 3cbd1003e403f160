import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
import pytest
from confluent_kafka import Consumer, TopicPartition

from testbeam.clients.topics import TopicHandle
from testbeam.errors import TopicMissing
from testbeam.kafkatools.measuring import Lag, measure
from testbeam.transport.kafka.client import Kafka
from tests.hostile.corpus import VALID
from tests.integration.kafkatools.sending import message, send

NewTopic = Callable[..., TopicHandle]


@contextmanager
def sending(kafka: Kafka, topic: str, every_s: float) -> Iterator[list[int]]:
    """Send a message with the time of sending again and again; the list has one entry each."""
    stop = threading.Event()
    sent: list[int] = []
    producer = kafka.producer(linger_ms=0, enable_idempotence=False)

    def send_all() -> None:
        while not stop.wait(every_s):
            producer.produce(topic, bytes(1_000))
            producer.poll(0)
            sent.append(1)
        producer.flush(60)

    thread = threading.Thread(target=send_all)
    thread.start()
    try:
        yield sent
    finally:
        stop.set()
        thread.join()


def test_rate_and_latency_of_a_topic_are_those_of_its_sender(kafka: Kafka, new_topic: NewTopic) -> None:
    topic = new_topic(partitions=2)
    send(kafka, topic.name, [message(number) for number in range(100)])  # before: not counted

    with sending(kafka, topic.name, every_s=0.01) as sent:
        before = len(sent)
        measured = measure(kafka, topic.name, 2.0)
        during = len(sent) - before

    assert measured.seconds == pytest.approx(2.0, abs=0.5)
    assert 0.5 * during <= measured.messages <= during + 10
    assert measured.value_bytes == 1_000 * measured.messages
    assert measured.messages_per_s == pytest.approx(measured.messages / measured.seconds)
    assert measured.latency is not None
    assert measured.latency.since == "Kafka timestamp (CreateTime)"
    assert -1 <= measured.latency.p50_ms <= measured.latency.p99_ms <= measured.latency.max_ms < 5_000
    assert measured.latency.p50_ms < 100  # 2 are expected
    assert measured.measuring_cpu_s < 1.0  # of this process, the sender's included


def test_a_silent_topic_has_no_rate_and_no_latency(kafka: Kafka, new_topic: NewTopic) -> None:
    measured = measure(kafka, new_topic().name, 0.3)

    assert (measured.messages, measured.latency, measured.lag, measured.loads) == (0, None, None, ())


def test_the_lag_of_a_group_is_what_it_has_not_committed(kafka: Kafka, new_topic: NewTopic) -> None:
    topic = new_topic(partitions=2)
    send(kafka, topic.name, [message(number, partition=number % 2, value=VALID["f144"]) for number in range(20)])
    group = f"group-{topic.name}"
    consumer = Consumer(kafka.config(group_id=group, enable_auto_commit=False))
    consumer.commit(offsets=[TopicPartition(topic.name, 0, 7)], asynchronous=False)
    consumer.close()

    assert measure(kafka, topic.name, 0.1, group=group).lag == Lag(group=group, before=13, after=13)
    assert measure(kafka, topic.name, 0.1, group="nobody").lag == Lag(group="nobody", before=None, after=None)


def test_the_cpu_of_a_process_and_of_its_children_is_told_by_name(kafka: Kafka, new_topic: NewTopic) -> None:
    busy = "while True: sum(range(1000))"
    parent = [sys.executable, "-c", "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])", busy]
    idle = [sys.executable, "-c", "input()"]
    with subprocess.Popen(parent) as worker, subprocess.Popen(idle, stdin=subprocess.PIPE) as idler:
        worked = threading.Event()
        threading.Thread(target=wait_for_cpu, args=(worker.pid, 2.0, worked), daemon=True).start()
        try:
            measured = measure(kafka, new_topic().name, 60, processes={"worker": worker.pid, "idler": idler.pid}, stop=worked)
        finally:
            for child in psutil.Process(worker.pid).children():
                child.kill()
            idler.kill()

    assert measured.load("worker").cpu_s > 0.3
    assert measured.load("idler").cpu_s < 0.3
    assert measured.load("worker").memory_bytes > 5_000_000
    assert not measured.load("worker").ended


def wait_for_cpu(pid: int, seconds: float, reached: threading.Event) -> None:
    """Set the event once the children of a process have used this CPU time."""
    while sum(child.cpu_times().user for child in psutil.Process(pid).children()) < seconds:
        time.sleep(0.05)
    reached.set()


def test_measuring_ends_when_told(kafka: Kafka, new_topic: NewTopic) -> None:
    stop, started_s = threading.Event(), time.monotonic()
    threading.Timer(0.2, stop.set).start()

    measure(kafka, new_topic().name, 60, stop=stop)

    assert time.monotonic() - started_s < 10


def test_a_missing_topic_is_told_before_measuring(kafka: Kafka) -> None:
    with pytest.raises(TopicMissing):
        measure(kafka, "nowhere", 60)
