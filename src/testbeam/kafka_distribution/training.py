"""Training of the start-up cache: one short life of a broker, from which Java keeps what it had loaded."""

import ctypes
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from testbeam.errors import TestbeamError, WireError
from testbeam.kafka_distribution import launch
from testbeam.kafka_distribution.aot import AotCache
from testbeam.kafka_distribution.installation import Installation
from testbeam.kafka_distribution.options import LaunchOptions
from testbeam.transport.kafka.plain import ask_metadata, make_usable
from testbeam.wire.kafka.requests import TopicSpec

USUAL_S = 9
_READY_S = 60
_WORK_S = 20
_STOP_S = 120  # writing the cache takes 5 s on a quick machine
_KEPT = 4
_TOPIC = "training"
_MESSAGES = 200
_PR_SET_PDEATHSIG = 1


def train(installation: Installation, aot: AotCache, heap_mb: int = LaunchOptions.heap_mb) -> None:
    """Train the cache; the file gets its name when it is whole.

    Raises:
        TestbeamError: the broker did not come up, work or end as it should; says why.
        OSError: the cache can't be written.
    """
    target = Path(aot.path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="training-", dir=target.parent) as folder:
        fresh = Path(folder) / "fresh.aot"
        _live_once(installation, LaunchOptions(folder=folder, heap_mb=heap_mb), fresh)
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
            return f"Java did not answer within {_READY_S} s"
    return "" if done.returncode == 0 else " / ".join((done.stdout + done.stderr).strip().splitlines()[-3:])


def _live_once(installation: Installation, options: LaunchOptions, fresh: Path) -> None:
    with _two_ports(options.address) as (options.plain_port, options.controller_port):
        log = fresh.with_name("training.log")
        properties = launch.write_files(options)
        argv = [
            installation.java.executable,
            f"-XX:AOTCacheOutput={fresh}",
            *launch.jvm_arguments(installation, options, options.folder),
            "kafka.Kafka",
            properties,
        ]
        with _process(argv, log) as process:
            bootstrap = f"{options.address}:{options.plain_port}"
            _wait_ready(process, bootstrap, log)
            _work(bootstrap)
            process.terminate()
            process.wait(_STOP_S)
        if not fresh.exists():
            raise TestbeamError(
                f"Java ended with code {process.returncode} and wrote no start-up cache; its last words: {_last_words(log)}"
            )


@contextmanager
def _two_ports(address: str) -> Iterator[tuple[int, int]]:
    """Hold two free ports, as sockets that don't listen: the broker may share them, nobody else gets them."""
    with ExitStack() as held:
        ports = []
        for _ in range(2):
            port = held.enter_context(socket.socket())
            port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            port.bind((address, 0))
            ports.append(port.getsockname()[1])
        yield ports[0], ports[1]


@contextmanager
def _process(argv: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as out:
        process = subprocess.Popen(
            argv,
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )
    try:
        yield process
    except subprocess.TimeoutExpired:
        raise TestbeamError(f"the training run did not end within {_STOP_S} s; its last words: {_last_words(log)}") from None
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _wait_ready(process: subprocess.Popen[bytes], bootstrap: str, log: Path) -> None:
    deadline_s = time.monotonic() + _READY_S
    while not _answers(bootstrap):
        if process.poll() is not None:
            raise TestbeamError(
                f"the training run ended with code {process.returncode} before it was up; its last words: {_last_words(log)}"
            )
        if time.monotonic() > deadline_s:
            raise TestbeamError(f"the training run was not up within {_READY_S} s; its last words: {_last_words(log)}")
        time.sleep(0.02)  # between two looks


def _answers(bootstrap: str) -> bool:
    try:
        return bool(ask_metadata(bootstrap).brokers)
    except (OSError, WireError):
        return False


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
                f"of {_MESSAGES} messages of the training run {_MESSAGES - left} were taken and {came} came back within {_WORK_S} s"
            )
        consumer.commit(asynchronous=False)
    except KafkaException as error:
        raise TestbeamError(f"the training run's messages: {error}") from error
    finally:
        consumer.close()


def _count(consumer: Any) -> int:
    came = 0
    deadline_s = time.monotonic() + _WORK_S
    while came < _MESSAGES and time.monotonic() < deadline_s:
        came += sum(message.error() is None for message in consumer.consume(_MESSAGES, 0.05))
    return came


def _last_words(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return " / ".join(lines[-3:]) or "none"


def _remove_unused(folder: Path) -> None:
    """Keep the caches that were used last: each Java and Kafka that is ever used would leave 65 MB else."""
    by_use = sorted(folder.glob("*.aot"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in by_use[_KEPT:]:
        path.unlink(missing_ok=True)
