import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer

from testbeam.errors import NotReady
from testbeam.kafka_distribution.cache import user_cache
from testbeam.kit.handle import Handle
from testbeam.kit.stack import Stack
from testbeam.stacks.roles.broker.declaration import BrokerHandle, MetadataAnswers, broker
from testbeam.transport.kafka.client import Kafka, create_topics


def the_broker(handle: Handle) -> BrokerHandle:
    assert isinstance(handle, BrokerHandle)
    return handle


def produce_all(handle: BrokerHandle, topic: str, numbers: range) -> int:
    """Return how many were acknowledged."""
    acknowledged = 0

    def count(error: object, _message: object) -> None:
        nonlocal acknowledged
        acknowledged += error is None

    producer = handle.kafka.producer()
    for number in numbers:
        producer.produce(topic, b"%d" % number, on_delivery=count)
    assert producer.flush(60) == 0
    return acknowledged


def test_a_killed_broker_is_back_with_all_that_it_had_acknowledged() -> None:
    with Stack(broker(topics=["data"])).run() as run:
        handle = the_broker(run["broker"])
        acknowledged = produce_all(handle, "data", range(5000))
        bootstrap = handle.bootstrap

        handle.kill()
        assert not MetadataAnswers(look_s=0.0).check(handle).ready
        handle.start()

        assert handle.bootstrap == bootstrap
        payloads = [record.payload for record in handle.topic("data").messages()]
        assert (acknowledged, payloads) == (5000, [b"%d" % number for number in range(5000)])
        handle.topic("data").produce("goes on")


def test_a_stopped_broker_accepts_connections_and_is_not_ready_for_that() -> None:
    with Stack(broker()).run() as run:
        handle = run["broker"]
        handle.pause()
        try:
            seen = MetadataAnswers(look_s=0.0).check(handle)
        finally:
            handle.resume()

        assert not seen.ready
        assert "timed out" in seen.detail
        assert MetadataAnswers(look_s=5.0).check(handle).ready


def test_the_first_group_reads_its_first_message_without_a_second_of_retries(shared_broker: BrokerHandle) -> None:
    shared_broker.create_topics("first_group")
    shared_broker.topic("first_group").produce("hello")
    consumer = Consumer(shared_broker.kafka.config(group_id="first", auto_offset_reset="earliest"))
    try:
        consumer.subscribe(["first_group"])
        message = consumer.poll(60)
    finally:
        consumer.close()

    assert message is not None
    assert message.value() == b"hello"


def test_a_broker_that_runs_already_is_used_and_left_running(shared_broker: BrokerHandle) -> None:
    with Stack(broker(bootstrap=shared_broker.bootstrap, topics=["made_from_outside"])).run() as run:
        other = the_broker(run["broker"])
        other.topic("made_from_outside").produce("hello")

    assert shared_broker.topic("made_from_outside").count() == 1


def test_nobody_at_the_bootstrap_is_an_error_that_names_it() -> None:
    service = broker(bootstrap="127.0.0.1:1").configured(ready_timeout_s=0.2)

    with pytest.raises(NotReady, match=r"127\.0\.0\.1:1.*refused"), Stack(service).run():
        pass


def test_kafka_home_is_run_in_place_of_the_pinned_version(copied_jars: Path, tmp_path: Path) -> None:
    home = tmp_path / "kafka"
    home.mkdir()
    copied_jars.rename(home / "libs")
    without_training(tmp_path)

    with Stack(broker(kafka_home=home, topics=["data"])).run() as run:
        handle = the_broker(run["broker"])
        handle.topic("data").produce("hello")
        log = handle.get_stdout()

    assert f"Kafka of {home}" in log


def test_the_broker_starts_all_the_same_where_the_start_up_cache_could_not_be_trained(copied_jars: Path, tmp_path: Path) -> None:
    assert copied_jars.exists()
    without_training(tmp_path)

    with Stack(broker()).run() as run:
        log = run["broker"].get_stdout()

    assert "without a start-up cache" in log
    assert "testbeam broker fetch" in log


@pytest.fixture(scope="module")
def special_broker() -> Iterator[BrokerHandle]:
    with Stack(broker(faultable=True, properties={"num.partitions": "3"})).run() as run:
        yield the_broker(run["broker"])


def test_a_second_listener_sends_its_clients_back_to_the_proxy(special_broker: BrokerHandle) -> None:
    behind = f"127.0.0.1:{special_broker.ports['proxied']}"
    admin = Kafka(bootstrap=behind).admin()

    assert {node.port for node in admin.list_topics(timeout=60).brokers.values()} == {special_broker.ports["proxy"]}


def test_a_property_of_the_user_reaches_kafka(special_broker: BrokerHandle) -> None:
    create_topics(special_broker.kafka, {"data": -1})

    assert set(special_broker.topic("data").watermarks()) == {0, 1, 2}


def test_the_pid_of_the_program_is_the_brokers(special_broker: BrokerHandle) -> None:
    words = Path(f"/proc/{special_broker.pid}/cmdline").read_bytes().split(b"\0")

    assert words[0].endswith(b"/bin/java")


def test_a_warm_start_loads_nothing_but_what_it_uses(filled_cache: Path, tmp_path: Path) -> None:
    assert filled_cache.exists()
    program = tmp_path / "report.py"
    program.write_text(
        "import json, os, sys\n"
        "before = set(sys.modules)\n"
        "os.execv = lambda path, argv: (print(json.dumps([argv[0], sorted(set(sys.modules) - before)])), os._exit(0))\n"
        "from testbeam.services.broker.warm_start import try_start\n"
        f"sys.stdout.reconfigure(line_buffering=True); try_start(['--folder', {str(tmp_path / 'run')!r}])\n"
    )

    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, check=True)
    executed, modules = json.loads(done.stdout)

    assert executed.endswith("java")
    assert {name for name in modules if not name.startswith("testbeam")} <= {"zlib", "json"}


def without_training(folder: Path) -> None:
    """Put a file where the start-up caches should go: nothing can be trained then."""
    cache = user_cache(str(folder / "cache"))
    Path(cache.root).mkdir(parents=True, exist_ok=True)
    Path(cache.aot).write_text("not a folder")
