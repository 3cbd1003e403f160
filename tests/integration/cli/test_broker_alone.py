import os
import socket
import sys

import pytest

from testbeam.kit import private_net
from tests.integration.cli.commands import Commands

# A foreign suite: it knows localhost:9092 and nothing of testbeam. Its argument is what it sends, and wants to find alone.
SUITE = """
import sys
from confluent_kafka import Consumer, Producer
producer = Producer({"bootstrap.servers": "localhost:9092"})
producer.produce("built_in", sys.argv[1].encode())
assert producer.flush(30) == 0
consumer = Consumer({"bootstrap.servers": "localhost:9092", "group.id": "suite", "auto.offset.reset": "earliest"})
consumer.subscribe(["built_in"])
message = None
for _ in range(300):
    message = consumer.poll(0.1)
    if message is not None and not message.error():
        break
consumer.close()
print(message.value().decode())
"""


def test_a_broker_alone_listens_on_the_port_that_is_asked_for_and_says_who_has_it(commands: Commands) -> None:
    up = commands.run("broker", "up", "--detach", "--own-address", "--port", "9092", "--topic", "motion:3", "--name", "mine")
    assert up.returncode == 0, up.stderr

    listed = commands.run("topic", "ls").stdout
    where = commands.run("env", "mine").stdout

    assert "motion" in listed
    assert "KAFKA_BOOTSTRAP_SERVERS=127." in where
    assert where.count(":9092") == 2


@pytest.mark.parametrize("words", [("--port", "0"), ("--topic", ":3"), ("--topic", "a:x"), ("--property", "novalue")])
def test_options_that_can_not_be_used_are_refused_before_anything_starts(commands: Commands, words: tuple[str, ...]) -> None:
    done = commands.run("broker", "up", "--detach", *words)

    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_told_with_its_holder(commands: Commands) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()

        done = commands.run("broker", "up", "--detach", "--port", str(taken.getsockname()[1]))

    assert done.returncode == 3
    assert "is taken" in done.stderr
    assert f"pid {os.getpid()}" in done.stderr


def test_foreign_suites_with_localhost_9092_built_in_run_side_by_side(commands: Commands) -> None:
    if not private_net.is_allowed():
        pytest.skip("the kernel or the container forbids user and network namespaces, which testbeam private needs")
    (commands.folder / "testbeam.toml").write_text('[services.broker]\nrole = "broker"\nport = 9092\ntopics = ["built_in"]\n')
    (commands.folder / "suite.py").write_text(SUITE)

    suites = {
        word: commands.spawn("private", "--", sys.executable, "-m", "testbeam", "run", "--", sys.executable, "suite.py", word)
        for word in ("first", "second")
    }
    told = {word: process.communicate(timeout=90) for word, process in suites.items()}

    assert {word: out.strip() for word, (out, _) in told.items()} == {"first": "first", "second": "second"}, told
