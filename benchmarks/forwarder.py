"""CPU per update from PV to Kafka, and loss: `testbeam bench forwarder`.

Counting records of a real IOC, 10 Hz each, forwarded by the running service; its CPU time is compared with programs that only receive,
and with ones that forward as one would at first (`forwarder_rivals`). All take turns in one run, twice.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

import psutil

from benchmarks.forwarder_gaps import Gaps
from benchmarks.harness import Result, at_least, at_most
from testbeam.kit.run import Run
from testbeam.kit.stack import Stack
from testbeam.model.forwarding import Protocol, StreamSpec
from testbeam.stacks.roles.broker.declaration import broker
from testbeam.stacks.roles.forwarder.declaration import forwarder
from testbeam.stacks.roles.ioc.declaration import ioc

PVS = {Protocol.PVA: 1_000, Protocol.CA: 5_000}  # at 10 Hz each
NAIVE_PVS = 1_000  # more than some 20,000 updates/s is more than a naive program can take
SECONDS = 3.0
WARM_UP_S = 2.0
ROUNDS = 2
RIVAL_S = 40.0  # beyond its seconds
TOPICS = ("tb_forwarder_commands", "tb_forwarder_status", "tb_forwarder_storage", "updates", "rivals")
NAMES = {protocol: tuple(f"B:COUNT-{number}" for number in range(count)) for protocol, count in PVS.items()}


def run() -> list[Result]:
    """Return all figures; takes about 90 s."""
    stack = Stack(broker(topics=TOPICS), ioc(prefix="B:", counting=max(PVS.values())), forwarder(ini={"status-interval": 1000}))
    with stack.run() as running:
        return [*_protocol(running, Protocol.PVA), *_protocol(running, Protocol.CA)]


def _protocol(running: Run, protocol: Protocol) -> list[Result]:
    name, gaps = protocol.name, Gaps(NAMES[protocol])
    contenders: tuple[Callable[[], float | None], ...] = (
        lambda: _ours_us(running, protocol, gaps),
        lambda: _rival_us(running, f"bare-{name.lower()}", NAMES[protocol]),
        lambda: _rival_us(running, f"naive-{name.lower()}", NAMES[protocol][:NAIVE_PVS]),
    )
    samples = [[contender() for contender in contenders] for _ in range(ROUNDS)]
    ours, bare, naive = (_median(of_one) for of_one in zip(*samples, strict=True))
    most, least = (1.3, 4) if protocol is Protocol.PVA else (2, 20)
    results = [gaps.result(f"{name} → Kafka: updates missing")]
    if ours is not None and bare is not None:
        results.append(at_most(f"{name} → Kafka: receive alone", value=ours, baseline=bare, target=most, unit="µs"))
    if ours is not None and naive is not None:
        results.append(at_least(f"{name} → Kafka: naive", value=ours, baseline=naive, target=least))
    return results


def _median(samples: Iterable[float | None]) -> float | None:
    """Return the median of those that gave a figure."""
    given = [one for one in samples if one is not None]
    return statistics.median(given) if given else None


def _ours_us(running: Run, protocol: Protocol, gaps: Gaps) -> float:
    """Return the CPU time of the forwarder's process per update, in µs; add what the topic shows to `gaps`."""
    handle: Any = running["forwarder"]
    topic: Any = running["broker"].topic("updates")  # type: ignore[attr-defined]
    mark = topic.mark()
    handle.add(*(StreamSpec(channel=pv, schema="f144", topic=topic.name, protocol=protocol) for pv in NAMES[protocol]), within_s=30)
    _statuses(handle, WARM_UP_S)
    before_s, (first, *_, last) = cpu_s(handle.pid), _statuses(handle, SECONDS)
    spent_s = cpu_s(handle.pid) - before_s
    handle.client.remove_all()
    handle.client.wait_for_streams([])
    gaps.read(handle.client.kafka, topic.name, mark.offsets, SECONDS)
    return 1e6 * spent_s / int(last["updates"] - first["updates"])


def _statuses(handle: Any, seconds: float) -> list[dict[str, Any]]:
    """Return all statuses of this time, from one to another."""
    end_s, statuses = time.monotonic() + seconds, [handle.client.next_status().details]
    while time.monotonic() < end_s:
        statuses.append(handle.client.next_status().details)
    return statuses


def cpu_s(pid: int) -> float:
    """Return the CPU time that a process has had."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _rival_us(running: Run, name: str, pvs: tuple[str, ...]) -> float | None:
    """Return the CPU time of a rival per update, in µs; None from one that gave no figure."""
    measured = rival(running, name, pvs, SECONDS)
    return None if measured is None else float(1e6 * measured["cpu_s"] / measured["updates"])


def rival(running: Run, name: str, pvs: tuple[str, ...], seconds: float) -> dict[str, float] | None:
    """Return what a rival measured (`forwarder_rivals.main`); None, said, from one that hangs or fails."""
    bootstrap = running["broker"].endpoints["kafka"]
    argv = [sys.executable, "-m", "benchmarks.forwarder_rivals", name, bootstrap, "rivals", f"{seconds}", "B:COUNT-", f"{len(pvs)}"]
    environment = running["forwarder"].environment()
    try:
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=True, timeout=RIVAL_S + seconds)
    except subprocess.SubprocessError as error:
        print(f"{name} gave no figure: {error}", file=sys.stderr)
        return None
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured
