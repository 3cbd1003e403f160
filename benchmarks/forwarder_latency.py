"""Latency, memory and start of the forwarder: `testbeam bench forwarder_latency`; about 60 s.

From the time that a real IOC gives an update until its message is read from Kafka; what a thousand more PVs cost; an ADD until its
first message; the first status.
"""

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from benchmarks.harness import Result
from testbeam.kit.run import Run
from testbeam.kit.stack import Stack
from testbeam.model.forwarding import Protocol, StreamSpec
from testbeam.model.time import NS_PER_MS
from testbeam.stacks.roles.broker.declaration import broker
from testbeam.stacks.roles.forwarder.declaration import forwarder
from testbeam.stacks.roles.ioc.declaration import ioc
from testbeam.wire.flatbuffers.schemas.log_value_f144 import decode_f144

TOPICS = ("tb_forwarder_commands", "tb_forwarder_status", "tb_forwarder_storage", "updates", "latency", "adds", "bare")
LINGER_MS = 5.0
PUTS = 60
FEW, MANY = 1_000, 5_000
SETTLE_S = 4.0
_MIB = 1 << 20


def run() -> list[Result]:
    """Return all figures."""
    results = []
    for protocol, most in ((Protocol.PVA, 40.0), (Protocol.CA, 15.0)):
        with tempfile.TemporaryDirectory() as folder, _stack(Path(folder)).run() as running:
            if protocol is Protocol.PVA:
                results.append(_figure("forwarder: start → first status", _start_s(running), "s", 1.0))
            over = _latency_ms(running, protocol) - _bare_latency_ms(running)
            results.append(_figure(f"{protocol.name} put → Kafka, p50, beyond a producer's", over, "ms", 2.0))
            results.append(_figure(f"{protocol.name} ADD → first message", _add_ms(running, protocol), "ms", 150.0))
            results.append(_figure(f"{protocol.name} memory per 1,000 PVs", _memory_mib(running, protocol), "MiB", most))
    return results


def _stack(folder: Path) -> Stack:
    """Return a stack with records that do not change by themselves: memory is that of PVs, not of their updates."""
    records = folder / "idle.db"
    names = ["VOLT", *(f"IDLE-{number}" for number in range(MANY))]
    records.write_text("".join(f'record(ao, "$(P){name}") {{ field(PINI, "YES") }}\n' for name in names))
    return Stack(broker(topics=TOPICS), ioc(records, prefix="B:"), forwarder(ini={"status-interval": 1000}))


def _figure(name: str, value: float, unit: str, most: float) -> Result:
    return Result(name=name, value=value, unit=unit, baseline=most, ratio=value / most, target=f"≤ {most:g} {unit}", ok=value <= most)


def _spec(pv: str, topic: str, protocol: Protocol) -> StreamSpec:
    return StreamSpec(channel=pv, schema="f144", topic=topic, protocol=protocol)


def _start_s(running: Run) -> float:
    handle: Any = running["forwarder"]
    handle.stop()
    began_s = time.perf_counter()
    handle.start()  # until Kafka has its first status
    return time.perf_counter() - began_s


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
            pv.put(number + 0.5, wait=False)
            while not (sent := [message.value() for message in reader.read(100, 0.001) if message.value()[4:8] == b"f144"]):
                pass
            found.append((time.time_ns() - decode_f144(sent[-1]).timestamp_ns) / NS_PER_MS)
            time.sleep(0.02)
    handle.client.remove_all()
    return float(statistics.median(found))


def _bare_latency_ms(running: Run) -> float:
    """Return the time from a producer with the same linger to a reader, both here."""
    kafka = running["forwarder"].client.kafka  # type: ignore[attr-defined]
    producer, found = kafka.producer(linger_ms=LINGER_MS), []
    with kafka.reader(fetch_wait_max_ms=5) as reader:
        reader.assign_ends(["bare"])
        for _ in range(PUTS):
            began_s = time.perf_counter()
            producer.produce("bare", bytes(88))
            while not reader.read(100, 0.001):
                producer.poll(0)
            found.append(1000 * (time.perf_counter() - began_s))
            time.sleep(0.02)
    return float(statistics.median(found))


def _add_ms(running: Run, protocol: Protocol) -> float:
    handle: Any = running["forwarder"]
    found = []
    with handle.client.kafka.reader(fetch_wait_max_ms=5) as reader:
        reader.assign_ends(["adds"])
        for number in range(10):
            began_s = time.perf_counter()
            handle.client.add(_spec(f"B:IDLE-{number}", "adds", protocol))
            while not reader.read(100, 0.001):
                pass
            found.append(1000 * (time.perf_counter() - began_s))
            handle.client.remove_all()
            handle.client.wait_for_streams([])
            while reader.read(100, 0.1):
                pass
    return float(statistics.median(found))


def _memory_mib(running: Run, protocol: Protocol) -> float:
    """Return what each further 1,000 PVs take between 1,000 and 5,000, in MiB of resident memory."""
    handle: Any = running["forwarder"]
    resident = []
    for begin, end in ((0, FEW), (FEW, MANY)):
        handle.add(*(_spec(f"B:IDLE-{number}", "updates", protocol) for number in range(begin, end)), within_s=60)
        time.sleep(SETTLE_S)
        resident.append(psutil.Process(handle.pid).memory_info().rss / _MIB)
    return float((resident[1] - resident[0]) / ((MANY - FEW) / 1_000))
