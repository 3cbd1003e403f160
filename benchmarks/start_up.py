"""Time of the broker's own start, with and without Java's start-up cache, and of a whole stack's.

A start lasts from the spawn of the program until its topics, a first producer and a first consumer group can be used. Starts of
the contenders alternate within one run, and medians are compared.
"""

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import Result, at_most
from testbeam.errors import WireError
from testbeam.kafka_distribution import launch
from testbeam.kafka_distribution.options import LaunchOptions
from testbeam.kafka_distribution.telling import ConsoleTeller
from testbeam.kit.stack import Stack
from testbeam.stacks.reference import light_chain
from testbeam.stacks.roles.broker.prepare import prepare
from testbeam.stacks.topics import Topics
from testbeam.transport.kafka.plain import ask_metadata, make_usable
from testbeam.wire.kafka.requests import TopicSpec

ROUNDS = 7
_DEADLINE_S = 60
_LOOK_S = 0.002
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One start: seconds from the spawn to the first metadata answer, until all can be used, and of CPU by then."""

    answer_s: float
    usable_s: float
    cpu_s: float


def run() -> list[Result]:
    """Compare the broker with and without its start-up cache, and two stacks with the broker alone."""
    prepare(LaunchOptions(), ConsoleTeller())
    rounds = [(broker_alone(), broker_alone(start_up_cache=False), ready_s(pv_to_file()), ready_s(light_chain())) for _ in range(ROUNDS)]
    cached, plain, chain, everything = ([r[0] for r in rounds], [r[1] for r in rounds], [r[2] for r in rounds], [r[3] for r in rounds])
    print(f"broker alone:           {_words(cached)}\nwithout start-up cache: {_words(plain)}")
    alone_s = statistics.median(start.usable_s for start in cached)
    plain_s = statistics.median(start.usable_s for start in plain)
    return [
        at_most("broker start, with start-up cache", value=alone_s, baseline=plain_s, target=0.65),
        at_most("PV to file ready", value=statistics.median(chain), baseline=alone_s, target=1.5),
        at_most("… and an event source", value=statistics.median(everything), baseline=alone_s, target=2.0),
    ]


def pv_to_file() -> Stack:
    """Return the light chain: what takes a PV to a file, without the event source."""
    return Stack(*(service for service in light_chain().services if service.role != "event_source"))


def ready_s(stack: Stack) -> float:
    """Return the seconds that a stack takes until every service of it is ready."""
    with stack.run() as running:
        assert running.ready_s is not None
        return running.ready_s


def broker_alone(*, start_up_cache: bool = True) -> Start:
    """Start the broker by itself, with the reference stack's topics, and kill it; without the kit around it."""
    with tempfile.TemporaryDirectory(prefix="testbeam-") as folder, _ports(2) as (plain, controller):
        options = LaunchOptions(folder=folder, plain_port=plain, controller_port=controller)
        argv = _program(options) if start_up_cache else _without_cache(options)
        started_s = time.perf_counter()
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen(argv, stdout=log, stderr=log)
        try:
            answer_s = _wait_answer(f"127.0.0.1:{plain}", process) - started_s
            make_usable(f"127.0.0.1:{plain}", [TopicSpec(name) for name in Topics().all])
            return Start(answer_s=answer_s, usable_s=time.perf_counter() - started_s, cpu_s=_cpu_s(process.pid))
        finally:
            process.kill()
            process.wait()


def _program(options: LaunchOptions) -> list[str]:
    ports = ("--plain-port", str(options.plain_port), "--controller-port", str(options.controller_port))
    return [sys.executable, "-m", "testbeam.services.broker", "--folder", options.folder, *ports]


def _without_cache(options: LaunchOptions) -> list[str]:
    found = prepare(options, ConsoleTeller()).installation
    return launch.command(options, found, None, launch.write_files(options))


@contextmanager
def _ports(count: int) -> Iterator[Sequence[int]]:
    """Hold free ports as the kit does."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(("127.0.0.1", 0))
        yield [one.getsockname()[1] for one in sockets]


def _wait_answer(bootstrap: str, process: subprocess.Popen[bytes]) -> float:
    deadline_s = time.perf_counter() + _DEADLINE_S
    while time.perf_counter() < deadline_s and process.poll() is None:
        try:
            if ask_metadata(bootstrap).brokers:
                return time.perf_counter()
        except (OSError, WireError):
            time.sleep(_LOOK_S)
    raise RuntimeError(f"the broker did not answer at {bootstrap} within {_DEADLINE_S} s, or ended with {process.poll()}")


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S


def _words(starts: Sequence[Start]) -> str:
    def middle(name: str) -> float:
        return float(statistics.median(getattr(start, name) for start in starts))

    return f"answers after {middle('answer_s'):.3f} s, usable after {middle('usable_s'):.3f} s, {middle('cpu_s'):.2f} s of CPU"
