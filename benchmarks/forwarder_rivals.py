"""Rivals of the forwarder: programs that receive the same PVs, each by itself, and say what CPU an update took.

`python -m benchmarks.forwarder_rivals NAME BOOTSTRAP TOPIC SECONDS PREFIX COUNT`; EPICS is configured by the environment.
"""

import json
import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from confluent_kafka import Producer

from testbeam.model.time import NS_PER_MS, NS_PER_S

WARM_UP_S = 2.0
TICK_S = 0.01

kept: list[Any] = []  # subscriptions, which would end with their last reference
missing = [0]  # updates, seen by a rival that looks for gaps

Step = Callable[[], int]  # one round of work; returns the number of updates


def bare_pva(_producer: Producer, _topic: str, pvs: Sequence[str]) -> Step:
    """Receive with p4p and one queue of our own: the least that can be done with p4p."""
    return _receive_pva(pvs, lambda _number, update: update["value"])


def counted_pva(_producer: Producer, _topic: str, pvs: Sequence[str]) -> Step:
    """Receive as `bare_pva` does, and look for gaps: what IOC and p4p leave to any program that shares the machine with them."""
    last: list[float | None] = [None] * len(pvs)

    def look(number: int, update: Any) -> None:
        value, before = update["value"], last[number]
        missing[0] += before is not None and value != before + 1
        last[number] = value

    return _receive_pva(pvs, look)


def _receive_pva(pvs: Sequence[str], look: Callable[[int, Any], object]) -> Step:
    from p4p.client.raw import Context

    context, ready, pops = Context("pva", nt=False, useenv=True), deque[int](), []
    for number, pv in enumerate(pvs):
        pops.append(context.monitor(pv, partial(ready.append, number)).pop)
        ready.append(number)

    def step() -> int:
        count = 0
        for _ in range(len(ready)):
            number = ready.popleft()
            while (update := pops[number]()) is not None:
                if not isinstance(update, Exception):
                    look(number, update)
                    count += 1
        return count

    return step


def naive_pva(producer: Producer, topic: str, pvs: Sequence[str]) -> Step:
    """Receive with p4p's default queue, encode with ess-streaming-data-types, produce with a call-back for each message."""
    from p4p.client.thread import Context
    from streaming_data_types.logdata_f144 import serialise_f144

    context, counter, lock = Context("pva", nt=False, useenv=True), [0], threading.Lock()

    def forward(pv: str, update: Any) -> None:
        if isinstance(update, Exception):
            return
        time_ns = update["timeStamp.secondsPastEpoch"] * NS_PER_S + update["timeStamp.nanoseconds"]
        payload = serialise_f144(pv, update["value"], time_ns)
        producer.produce(topic, payload, pv, on_delivery=lambda *_: None, timestamp=time_ns // NS_PER_MS)
        with lock:
            counter[0] += 1

    kept.extend(context.monitor(pv, partial(forward, pv), notify_disconnect=True) for pv in pvs)
    return partial(_take, producer, counter, lock)


def bare_ca(producer: Producer, topic: str, pvs: Sequence[str]) -> Step:
    """Receive with the forwarder's own client, and produce bytes that were made before."""
    from testbeam.transport.ca.monitor import CaMonitors

    monitors, payload = CaMonitors(time.time_ns), bytes(88)
    for number, pv in enumerate(pvs, 1):
        monitors.subscribe(number, pv)

    def step() -> int:
        batch = monitors.drain()
        messages = [{"key": b"TB:COUNT-0", "value": payload} for columns in batch.values for _ in range(len(columns.stream))]
        producer.produce_batch(topic, messages)
        producer.poll(0)
        return len(messages)

    return step


def naive_ca(producer: Producer, topic: str, pvs: Sequence[str]) -> Step:
    """Receive with aioca, encode with ess-streaming-data-types, produce with a call-back for each message."""
    import asyncio

    import aioca
    from streaming_data_types.logdata_f144 import serialise_f144

    counter, lock, loop = [0], threading.Lock(), asyncio.new_event_loop()

    def forward(pv: str, update: Any) -> None:
        if not update.ok:
            return
        time_ns = update.raw_stamp[0] * NS_PER_S + update.raw_stamp[1]
        producer.produce(topic, serialise_f144(pv, float(update), time_ns), pv, on_delivery=lambda *_: None, timestamp=time_ns // NS_PER_MS)
        counter[0] += 1

    async def subscribe() -> None:
        for pv in pvs:
            aioca.camonitor(pv, partial(forward, pv), format=aioca.FORMAT_TIME, all_updates=True, notify_disconnect=True)

    threading.Thread(target=loop.run_forever, daemon=True).start()
    asyncio.run_coroutine_threadsafe(subscribe(), loop).result()
    return partial(_take, producer, counter, lock)


def _take(producer: Producer, counter: list[int], lock: threading.Lock) -> int:
    producer.poll(0)
    with lock:
        count, counter[0] = counter[0], 0
    return count


RIVALS = {"bare-pva": bare_pva, "counted-pva": counted_pva, "naive-pva": naive_pva, "bare-ca": bare_ca, "naive-ca": naive_ca}


def main(name: str, bootstrap: str, topic: str, seconds: str, prefix: str, count: str) -> None:
    """Work for some seconds after a warm-up; print the number of updates, that of those missing, and the CPU time of the whole process."""
    logging.disable()
    pvs = [f"{prefix}{number}" for number in range(int(count))]
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "queue.buffering.max.messages": 1_000_000})
    step = RIVALS[name](producer, topic, pvs)
    _work(step, WARM_UP_S)
    missing[0], started_s = 0, time.process_time()
    updates = _work(step, float(seconds))
    cpu_s = time.process_time() - started_s
    sys.stdout.write(json.dumps({"updates": updates, "missing": missing[0], "cpu_s": cpu_s}) + "\n")
    sys.stdout.flush()
    os._exit(0)  # at once: one that is behind with its updates would first work them all off


def _work(step: Step, seconds: float) -> int:
    end_s, updates = time.monotonic() + seconds, 0
    while time.monotonic() < end_s:
        time.sleep(TICK_S)
        updates += step()
    return updates


if __name__ == "__main__":
    main(*sys.argv[1:])
