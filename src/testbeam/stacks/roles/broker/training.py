"""Training of the start-up cache: one short life of a broker, from which Java keeps what it had loaded."""

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from testbeam.errors import TestbeamError
from testbeam.kafka_distribution import launch
from testbeam.kafka_distribution.aot import AotCache
from testbeam.kafka_distribution.installation import Installation
from testbeam.kafka_distribution.options import LaunchOptions
from testbeam.kit.spec import Port, Service
from testbeam.kit.stack import Stack
from testbeam.model.deadline import Deadline
from testbeam.stacks.roles.broker.declaration import PROGRAM, MetadataAnswers
from testbeam.transport.kafka.plain import make_usable
from testbeam.wire.kafka.requests import TopicSpec

_READY_S = 60.0
_WORK_S = 20.0
_STOP_S = 120.0  # writing the cache takes 5 s on a quick machine
_KEPT = 4
_TOPIC = "training"
_MESSAGES = 200


def train(installation: Installation, aot: AotCache, options: LaunchOptions | None = None) -> None:
    """Train the cache; the file gets its name when it is whole.

    Raises:
        TestbeamError: the broker did not come up, work or end as it should; says why.
        OSError: the cache can't be written.
    """
    target = Path(aot.path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="training-", dir=target.parent) as folder:
        fresh = Path(folder) / "fresh.aot"
        with Stack(_broker(fresh, options or LaunchOptions())).run(folder=Path(folder) / "run") as run:
            _work(run["training"].endpoints["kafka"])
        if not fresh.exists():
            raise TestbeamError(f"{installation.name} has ended and left no start-up cache")
        fresh.replace(target)
    Path(aot.failure_path).unlink(missing_ok=True)
    _remove_unused(target.parent)


def trouble(installation: Installation, aot: AotCache) -> str:
    """Return why Java would not use the cache, or "" where it would."""
    with tempfile.TemporaryDirectory(prefix="testbeam-") as folder:
        arguments = launch.jvm_arguments(installation, LaunchOptions(folder=folder), folder)
        argv = [installation.java.executable, f"-XX:AOTCache={aot.path}", "-XX:AOTMode=on", *arguments, "-version"]
        try:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=_READY_S, check=False)
        except subprocess.TimeoutExpired:
            return f"Java did not answer within {_READY_S:g} s"
    return "" if done.returncode == 0 else " / ".join((done.stdout + done.stderr).strip().splitlines()[-3:])


def _broker(fresh: Path, options: LaunchOptions) -> Service:
    kafka_home = options.kafka_home or os.environ.get("KAFKA_HOME", "")
    given = {  # a service sees none of the caller's variables of this kind
        "kafka-home": kafka_home,
        "java-home": options.java_home or (os.environ.get("JAVA_HOME", "") if kafka_home else ""),
        "cache-folder": options.cache_folder or os.environ.get("TESTBEAM_CACHE", ""),
    }
    return Service(
        "training",
        command=(
            *PROGRAM,
            *("--folder", "${dir}", "--address", "${address}", "--plain-port", "${port.plain}", "--controller-port", "${port.controller}"),
            *(word for name, value in given.items() if value for word in (f"--{name}", value)),
            *("--heap-mb", str(options.heap_mb), "--aot-output", str(fresh).replace("$", "$$")),
        ),
        ports=(Port(name="plain"), Port(name="controller")),
        endpoints={"kafka": "${address}:${port.plain}"},
        ready=MetadataAnswers(),
        ready_timeout_s=_READY_S,
        stop_timeout_s=_STOP_S,
    )


def _work(bootstrap: str) -> None:
    """Do once what stacks do first: topics, a group, messages there and back.

    Raises:
        TestbeamError: the messages did not come back.
    """
    from confluent_kafka import Consumer, KafkaException, Producer

    make_usable(bootstrap, [TopicSpec(_TOPIC)], within_s=_WORK_S)
    common = {"bootstrap.servers": bootstrap, "log_level": 0}  # the clients outlive the broker for a moment: nobody's concern
    producer = Producer(common | {"enable.idempotence": True})
    for number in range(_MESSAGES):
        producer.produce(_TOPIC, b"%d" % number)
    left = producer.flush(_WORK_S)
    consumer = Consumer(common | {"group.id": "training", "auto.offset.reset": "earliest"})
    try:
        consumer.subscribe([_TOPIC])
        came = _count(consumer)
        if left or came < _MESSAGES:
            raise TestbeamError(
                f"of {_MESSAGES} messages of the training run {_MESSAGES - left} were taken and {came} came back within {_WORK_S:g} s"
            )
        consumer.commit(asynchronous=False)
    except KafkaException as error:
        raise TestbeamError(f"the training run's messages: {error}") from error
    finally:
        consumer.close()


def _count(consumer: Any) -> int:
    came = 0
    deadline = Deadline(_WORK_S)
    while came < _MESSAGES and not deadline.passed:
        came += sum(message.error() is None for message in consumer.consume(_MESSAGES, 0.05))
    return came


def _remove_unused(folder: Path) -> None:
    """Keep the caches that were used last: each Java and Kafka that is ever used would leave 65 MB else."""
    by_use = sorted(folder.glob("*.aot"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in by_use[_KEPT:]:
        path.unlink(missing_ok=True)
