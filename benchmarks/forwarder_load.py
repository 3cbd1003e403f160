"""Load that the forwarder takes without a gap: `testbeam bench forwarder_load`; about 5 minutes.

Counting records of a real IOC, 10 Hz each: as many as the targets ask for in one go, and a minute of those of a large beamline. IOC, broker
and forwarder share the machine; what is sent is read when the load is over. In the same run, over PVA: what a program that only receives
gets of that IOC; what the broker takes of one that only sends; and how much of a core each of the three had.
"""

import time
from typing import Any

import numpy as np

from benchmarks.forwarder import cpu_s, rival
from benchmarks.forwarder_gaps import RATE_HZ, Gaps
from benchmarks.harness import Result
from testbeam.kit.run import Run
from testbeam.kit.stack import Stack
from testbeam.model.forwarding import Protocol, StreamSpec
from testbeam.model.message_rows import MessageRows
from testbeam.model.time import NS_PER_MS
from testbeam.stacks.roles.broker.declaration import broker
from testbeam.stacks.roles.forwarder.declaration import forwarder
from testbeam.stacks.roles.ioc.declaration import ioc
from testbeam.transport.kafka.client import Kafka

TOPICS = ("tb_forwarder_commands", "tb_forwarder_status", "tb_forwarder_storage", "updates", "rivals")
SHARES = ("ioc", "broker", "forwarder")
LOADS = (  # PVs, seconds
    (Protocol.CA, 15_000, 10.0),
    (Protocol.PVA, 3_000, 10.0),
    (Protocol.CA, 5_000, 60.0),
    (Protocol.PVA, 2_000, 60.0),
)
CONNECT_S = 60.0
ALONE_S = 10.0  # that a program only receives
SINK_S = 3.0
SINK_ROWS = 1_000
ROW_BYTES = 88


def run() -> list[Result]:
    """Return all figures, two for each load: the rate, and how many updates are missing."""
    return [result for load in LOADS for result in _load(*load)]


def _load(protocol: Protocol, pvs: int, seconds: float) -> list[Result]:
    stack = Stack(broker(topics=TOPICS), ioc(prefix="B:", counting=pvs), forwarder(ini={"status-interval": 1000}))
    with stack.run() as running:
        names = tuple(f"B:COUNT-{number}" for number in range(pvs))
        return _measure(running, protocol, names, seconds)


def _measure(running: Run, protocol: Protocol, names: tuple[str, ...], seconds: float) -> list[Result]:
    handle: Any = running["forwarder"]
    handle.add(*(StreamSpec(channel=pv, schema="f144", topic="updates", protocol=protocol) for pv in names), within_s=CONNECT_S)
    _wait_until_connected(handle, len(names))
    topic: Any = running["broker"].topic("updates")  # type: ignore[attr-defined]
    mark, spent_s, begin_s = topic.mark(), _spent_s(running), time.monotonic()
    while (passed_s := time.monotonic() - begin_s) < seconds:
        handle.client.next_status()
    shares = {name: (after_s - spent_s[name]) / passed_s for name, after_s in _spent_s(running).items()}
    handle.client.remove_all()
    handle.client.wait_for_streams([])
    gaps = Gaps(names)
    gaps.read(handle.client.kafka, topic.name, mark.offsets, seconds - 1)  # an update more or less at both ends
    what = f"{protocol.name} load: {len(names):,} PVs, {seconds:g} s"
    rate, wanted = gaps.per_s, 0.95 * len(names) * RATE_HZ
    return [
        Result(
            name=f"{what}: rate", value=rate, unit="/s", baseline=wanted, ratio=rate / wanted, target=f"≥ {wanted:g}", ok=rate >= wanted
        ),
        gaps.result(f"{what}: updates missing"),
        *(_seen(f"{what}: {name}", share, "cores") for name, share in shares.items()),
        *(_limits(running, what, names) if protocol is Protocol.PVA else ()),
    ]


def _limits(running: Run, what: str, names: tuple[str, ...]) -> list[Result]:
    """Return what IOC and broker leave to any forwarder: the one received from alone, the other sent to alone."""
    received = rival(running, "counted-pva", names, ALONE_S)
    if received is None:
        return []
    return [
        _seen(f"{what}: IOC, received alone", received["updates"] / ALONE_S, "/s"),
        _seen(f"{what}: IOC, missing alone", received["missing"], ""),
        _seen(f"{what}: broker, sent alone", _sink_per_s(running), "/s"),
    ]


def _sink_per_s(running: Run) -> float:
    """Return how many messages of an f144's size the broker acknowledges each second."""
    kafka: Kafka = running["forwarder"].client.kafka  # type: ignore[attr-defined]
    producer = kafka.batch_producer(lambda *_: None)
    rows = MessageRows(
        payloads=np.zeros(SINK_ROWS, np.dtype((np.void, ROW_BYTES))),
        key_at=0,
        timestamps_ms=np.full(SINK_ROWS, time.time_ns() // NS_PER_MS),
    )
    sent, begin_s = 0, time.monotonic()
    while time.monotonic() - begin_s < SINK_S:
        count, _ = producer.produce_rows("rivals", rows)
        sent += count
        producer.poll(0 if count else 0.001)
    left = producer.flush(CONNECT_S)
    producer.close()
    return (sent - left) / (time.monotonic() - begin_s)


def _spent_s(running: Run) -> dict[str, float]:
    pids = {name: running[name].pid for name in SHARES}
    return {name: cpu_s(pid) for name, pid in pids.items() if pid is not None}


def _seen(name: str, value: float, unit: str) -> Result:
    """Return a figure that no target is about."""
    return Result(name=name, value=value, unit=unit, baseline=value, ratio=1.0, target="none", ok=True)


def _wait_until_connected(handle: Any, count: int) -> None:
    end_s = time.monotonic() + CONNECT_S
    while handle.client.next_status().details["connected"] < count:
        if time.monotonic() > end_s:
            raise SystemExit(f"fewer than {count} PVs were connected within {CONNECT_S:g} s")
