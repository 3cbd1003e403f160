"""Trial of a real Kafka client: whether it reaches a listener on loopback that answers as a broker does, and what stops it."""

import os
import socket
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from testbeam.doctor.examination import Finding, good, lacking, limited
from testbeam.errors import WireError
from testbeam.kit.ports import LOOPBACK
from testbeam.wire.kafka.answers import answer_to

WITHIN_S = 4.0
SLOW_S = 1.0
_LONGEST = 10_000  # of a question; the first bytes of TLS, read as a length, are far beyond


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What was seen of one client."""

    answered: bool
    seconds: float
    connections: int = 0
    questions: int = 0
    said: tuple[str, ...] = ()  # by the client
    options_file: str = ""  # what it was told besides
    preloaded: str = ""  # libraries between it and the system


def look() -> Finding:
    """Have librdkafka ask such a listener for the cluster's brokers."""
    try:
        return judge(attempt())
    except ImportError as error:
        return lacking(f"the client can't be loaded: {error}", "pip install --force-reinstall confluent-kafka")


def attempt() -> Trial:
    """Have the client ask, with the options that every client of this user has.

    Raises:
        ImportError: there is no client.
        SettingsError: its options can't be read.
    """
    from confluent_kafka import KafkaException

    from testbeam.transport.kafka.client import CONFIG_VARIABLE, Kafka  # late: 70 ms

    said: list[str] = []
    with Listener() as listener:
        started_s = time.monotonic()
        client = Kafka(bootstrap=listener.address, options={"error_cb": lambda error: said.append(error.str())}).admin()
        try:
            answered = listener.port in [broker.port for broker in client.list_topics(timeout=WITHIN_S).brokers.values()]
        except KafkaException as error:
            answered = False
            client.poll(0)  # causes come by the call-back, which only this serves
            said = said or [error.args[0].str()]
        seconds = time.monotonic() - started_s
    return Trial(
        answered=answered,
        seconds=seconds,
        connections=listener.connections,
        questions=listener.questions,
        said=tuple(words for words in dict.fromkeys(said) if "brokers are down" not in words),  # the count of them is no cause
        options_file=os.environ.get(CONFIG_VARIABLE, ""),
        preloaded=os.environ.get("LD_PRELOAD", ""),
    )


def judge(trial: Trial) -> Finding:
    """Say whether the client got its answer, and else how far it came."""
    if trial.answered and trial.seconds <= SLOW_S:
        return good(f"librdkafka has its answer on {LOOPBACK} after {trial.seconds:.2f} s")
    said = f" ({'; '.join(trial.said)})" if trial.said else ""
    if trial.answered:
        return limited(f"librdkafka has its answer on {LOOPBACK} after {trial.seconds:.1f} s{said}", _look_at_names(trial))
    if trial.questions:
        return lacking(f"the answer of a listener on {LOOPBACK} does not come back to librdkafka{said}", _look_at_filter(trial))
    if trial.connections:
        return lacking(f"librdkafka connects on {LOOPBACK}, and asks nothing that a broker understands{said}", _look_at_options(trial))
    if any("resolve" in words.lower() for words in trial.said):
        return lacking(f"librdkafka can't make an address of {LOOPBACK}{said}", _look_at_names(trial))
    return lacking(f"librdkafka does not come through to a listener on {LOOPBACK}{said}", _look_at_filter(trial))


def _look_at_names(trial: Trial) -> str:
    file = f"broker.address.family in {trial.options_file} is to be any, and " if trial.options_file else ""
    return f"{file}`getent ahosts {LOOPBACK}` has to answer at once: see /etc/nsswitch.conf and /etc/gai.conf"


def _look_at_options(trial: Trial) -> str:
    if trial.options_file:
        return (
            f"TESTBEAM_KAFKA_CONFIG names {trial.options_file}, which asks for TLS or a log-in: the stack's own broker has none; unset it"
        )
    return _look_at_filter(trial)


def _look_at_filter(trial: Trial) -> str:
    between = f"LD_PRELOAD={trial.preloaded} is between client and system: unset it; else " if trial.preloaded else ""
    return f"{between}see that the loopback device is up (ip address show lo), and that nothing filters it (sudo nft list ruleset)"


def look_at_own_name() -> Finding:
    """Ask for the address of this machine's own name."""
    name, answers = socket.gethostname(), list[str]()

    def ask() -> None:
        with suppress(OSError):
            answers.append(socket.gethostbyname(name))

    started_s = time.monotonic()
    asking = threading.Thread(target=ask, name="testbeam-doctor-own-name", daemon=True)  # a name server that is away can't be interrupted
    asking.start()
    asking.join(WITHIN_S)
    return judge_own_name(name, answers[0] if answers else "", time.monotonic() - started_s)


def judge_own_name(name: str, address: str, seconds: float) -> Finding:
    """Say whether a machine knows its own name at once; the stack never asks for it."""
    if address and seconds <= SLOW_S:
        return good(f"{name} is {address}")
    what = f"is {address}, after {seconds:.1f} s" if address else f"has no address ({seconds:.1f} s)"
    return limited(
        f"{name} {what}; the stack never asks for it, other programs of yours may wait for it",
        f"echo '127.0.1.1 {name}' | sudo tee -a /etc/hosts",
    )


@dataclass(slots=True)
class Listener:
    """Listens on loopback for as long as its block lasts, and answers each connection in a thread."""

    connections: int = 0
    questions: int = 0
    _server: socket.socket = field(default_factory=lambda: socket.create_server((LOOPBACK, 0)))
    _open: list[socket.socket] = field(default_factory=list)

    @property
    def port(self) -> int:
        """Return where it listens."""
        return int(self._server.getsockname()[1])

    @property
    def address(self) -> str:
        """Return where it listens, as clients are told."""
        return f"{LOOPBACK}:{self.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, name="testbeam-doctor-listener", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for one in (self._server, *self._open):
            with suppress(OSError):  # it is closed by the client already
                one.shutdown(socket.SHUT_RDWR)  # which wakes the thread; a close does not
            one.close()

    def _accept(self) -> None:
        port = self.port
        with suppress(OSError):  # the end
            while True:
                connection, _ = self._server.accept()
                self.connections += 1
                self._open.append(connection)
                threading.Thread(target=self._serve, args=(connection, port), name="testbeam-doctor-broker", daemon=True).start()

    def _serve(self, connection: socket.socket, port: int) -> None:
        with suppress(OSError, WireError), connection.makefile("rb") as stream:
            while len(prefix := stream.read(4)) == 4:
                (length,) = struct.unpack(">i", prefix)
                if not 0 < length <= _LONGEST:
                    break
                answer = answer_to(stream.read(length), LOOPBACK, port)
                self.questions += 1
                connection.sendall(answer)
