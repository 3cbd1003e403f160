"""Load that the forwarder takes without a gap: `testbeam bench forwarder_load`; about 4 minutes.

Counting records of a real IOC, 10 Hz each: as many as the targets ask for in one go, and a minute of those of a large beamline. IOC, broker
and forwarder share the machine; what is sent is read when the load is over.
"""

import time
from typing import Any

from benchmarks.forwarder_gaps import RATE_HZ, Gaps
from benchmarks.harness import Result
from testbeam.kit.run import Run
from testbeam.kit.stack import Stack
from testbeam.model.forwarding import Protocol, StreamSpec
from testbeam.stacks.roles.broker.declaration import broker
from testbeam.stacks.roles.forwarder.declaration import forwarder
from testbeam.stacks.roles.ioc.declaration import ioc

TOPICS = ("tb_forwarder_commands", "tb_forwarder_status", "tb_forwarder_storage", "updates")
LOADS = (  # PVs, seconds
    (Protocol.CA, 15_000, 10.0),
    (Protocol.PVA, 3_000, 10.0),
    (Protocol.CA, 5_000, 60.0),
    (Protocol.PVA, 2_000, 60.0),
)
CONNECT_S = 60.0


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
    mark, end_s = topic.mark(), time.monotonic() + seconds
    while time.monotonic() < end_s:
        handle.client.next_status()
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
    ]


def _wait_until_connected(handle: Any, count: int) -> None:
    end_s = time.monotonic() + CONNECT_S
    while handle.client.next_status().details["connected"] < count:
        if time.monotonic() > end_s:
            raise SystemExit(f"fewer than {count} PVs were connected within {CONNECT_S:g} s")
