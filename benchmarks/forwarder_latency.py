"""Latency, memory and start of the forwarder: `python -m benchmarks.forwarder_latency`; about 60 s.

A put on a real IOC until its message is read from Kafka; what a thousand more PVs cost; an ADD until its first message; the first status.
"""

import statistics
import sys
import time
from typing import Any

import psutil

from benchmarks.harness import Result, table, write_results
from testbeam.kit.run import Run
from testbeam.kit.stack import Stack
from testbeam.model.forwarding import Protocol, StreamSpec
from testbeam.stacks.roles.broker.declaration import broker
from testbeam.stacks.roles.forwarder.declaration import forwarder
from testbeam.stacks.roles.ioc.declaration import ioc

TOPICS = ("tb_forwarder_commands", "tb_forwarder_status", "tb_forwarder_storage", "updates", "latency", "adds")
LINGER_MS = 5.0
PUTS = 60
FEW, MANY = 1_000, 5_000
SETTLE_S = 4.0
_MIB = 1 << 20


def run() -> list[Result]:
    """Return all figures."""
    results = []
    for protocol, most in ((Protocol.PVA, 40.0), (Protocol.CA, 15.0)):
        stack = Stack(broker(topics=TOPICS), ioc(prefix="B:", counting=MANY), forwarder(ini={"status-interval": 1000}))
        with stack.run() as running:
            if protocol is Protocol.PVA:
                results.append(_figure("forwarder: first status after start", running["forwarder"].ready_s or 0.0, "s", 1.0))
            results.append(_figure(f"{protocol.name} put → Kafka, p50", _latency_ms(running, protocol), "ms", LINGER_MS + 2))
            results.append(_figure(f"{protocol.name} ADD → first message", _add_ms(running, protocol), "ms", 150.0))
            results.append(_figure(f"{protocol.name} memory per 1,000 PVs", _memory_mib(running, protocol), "MiB", most))
    return results


def _figure(name: str, value: float, unit: str, most: float) -> Result:
    return Result(name=name, value=value, unit=unit, baseline=most, ratio=value / most, target=f"≤ {most:g} {unit}", ok=value <= most)


def _spec(pv: str, topic: str, protocol: Protocol) -> StreamSpec:
    return StreamSpec(channel=pv, schema="f144", topic=topic, protocol=protocol)


def _latency_ms(running: Run, protocol: Protocol) -> float:
    handle: Any = running["forwarder"]
    topic: Any = running["broker"].topic("latency")  # type: ignore[attr-defined]
    pv: Any = running["ioc"].pv("B:VOLT", "ca")  # type: ignore[attr-defined]
    handle.add(_spec("B:VOLT", topic.name, protocol), within_s=20)
    topic.expect(source="B:VOLT", within_s=20)
    found = []
    with handle.client.kafka.reader(fetch_wait_max_ms=5) as reader:
        reader.assign_ends([topic.name])
        for number in range(PUTS):
            began_s = time.perf_counter()
            pv.put(number + 0.5, wait=False)
            while not any(message.value()[4:8] == b"f144" for message in reader.read(100, 0.001)):
                pass
            found.append(1000 * (time.perf_counter() - began_s))
            time.sleep(0.02)
    handle.client.remove_all()
    return statistics.median(found)


def _add_ms(running: Run, protocol: Protocol) -> float:
    handle: Any = running["forwarder"]
    found = []
    with handle.client.kafka.reader(fetch_wait_max_ms=5) as reader:
        reader.assign_ends(["adds"])
        for number in range(10):
            began_s = time.perf_counter()
            handle.client.add(_spec(f"B:COUNT-{number}", "adds", protocol))
            while not reader.read(100, 0.001):
                pass
            found.append(1000 * (time.perf_counter() - began_s))
            handle.client.remove_all()
            handle.client.wait_for_streams([])
            while reader.read(100, 0.1):
                pass
    return statistics.median(found)


def _memory_mib(running: Run, protocol: Protocol) -> float:
    """Return what each further 1,000 PVs take between 1,000 and 5,000, in MiB of resident memory."""
    handle: Any = running["forwarder"]
    resident = []
    for begin, end in ((0, FEW), (FEW, MANY)):
        handle.add(*(_spec(f"B:COUNT-{number}", "updates", protocol) for number in range(begin, end)), within_s=60)
        time.sleep(SETTLE_S)
        resident.append(psutil.Process(handle.pid).memory_info().rss / _MIB)
    return (resident[1] - resident[0]) / ((MANY - FEW) / 1_000)


def main() -> int:
    """Print and write the figures; return 0 if every target is reached."""
    results = run()
    sys.stdout.write(table(results) + "\n")
    write_results(results)
    return 0 if all(result.ok for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
