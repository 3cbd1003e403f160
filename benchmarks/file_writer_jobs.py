"""Cost of whole jobs of the file-writer: two writers beside one, a large start command, a backlog in memory, a few events on disk.

Wall time on one machine, with the broker and the writers as programs of their own. One writer and two take turns with their bulk jobs, and
the best of each counts, since neighbours only add; the CPU that broker and writers took is printed beside, as two cores are all there are.
"""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import numpy as np
import psutil

from benchmarks.file_writer import START_NS, event_message, fill
from benchmarks.harness import Result, at_most
from testbeam.clients.file_writer import FileWriterClient, Job
from testbeam.kit.run import Run
from testbeam.kit.stack import Stack
from testbeam.model.time import NS_PER_MS
from testbeam.nexus import compose
from testbeam.stacks.roles.broker.declaration import BrokerHandle, broker
from testbeam.stacks.roles.filewriter.declaration import FileWriterHandle, filewriter
from testbeam.stacks.topics import Topics

JOBS = 6
WAIT_S = 2.0
BULK_JOBS = 8
BULK_ROUNDS = 2
BULK_MESSAGES = 45_000  # of 1,000 events, 360 MB in all
BACKLOG = 90_000  # messages, 720 MB: far more than the Kafka client reads ahead
STRUCTURE_BYTES = 64 * 2**20
NODES = 4_000
PATIENCE_S = 120.0
START_MS = START_NS // NS_PER_MS
GENUINE_BYTES = 24 * 2**20  # of a file with one ev44 group, as the facility's writer makes it: docs/reference/contracts/filewriter.md


class Pool:
    """A broker's pool of one or two writers whose files go to one folder."""

    def __init__(self, run: Run, folder: Path, name: str, writers: int, stack: ExitStack) -> None:
        self.topics, self.folder = Topics(prefix=name), folder
        self.broker = cast("BrokerHandle", run["broker"])
        t = self.topics
        self.broker.create_topics(t.pool, t.writer_status, t.control)
        words: dict[str, Any] = {"pool_topic": t.pool, "status_topic": t.writer_status, "control_topic": t.control}
        services = [filewriter(name=f"{name}{i}", output=folder, **words) for i in range(writers)]
        self.writers = [cast("FileWriterHandle", stack.enter_context(run.add(service))) for service in services]
        self.client = FileWriterClient(kafka=self.broker.kafka, **words)
        stack.enter_context(self.client)

    def job(self, name: str, *nodes: compose.Node, **more: Any) -> Job:
        """Start a job."""
        return self.client.start(compose.nexus_structure(*nodes), f"{self.topics.pool}-{name}.nxs", **more)


def run() -> list[Result]:
    """Return all figures; takes about two minutes."""
    with Stack(broker(heap_mb=1024)).run() as running, TemporaryDirectory() as folder:
        kafka = cast("BrokerHandle", running["broker"]).kafka
        fill(kafka, "events", _messages())
        waiting = [_timed(running, Path(folder), _waiting, writers) for writers in (1, 2)]
        rounds = [[_timed(running, Path(folder), _bulk, writers) for writers in (1, 2)] for _ in range(BULK_ROUNDS)]
        bulk = [min(taken) for taken in zip(*rounds, strict=True)]
        return [
            at_most("jobs that wait for their stop, two writers to one", value=waiting[1], baseline=waiting[0], target=0.6),
            at_most("bulk jobs, two writers to one", value=bulk[1], baseline=bulk[0], target=0.65),
            *_alone(running, Path(folder)),
        ]


def _messages() -> Iterator[bytes]:
    """Yield pulses whose pixels and times of flight are as random as a detector's."""
    dice = np.random.default_rng(1)
    sets = [(dice.integers(0, 71_428_571, 1_000, np.int32), dice.integers(1, 16_385, 1_000, np.int32)) for _ in range(500)]
    return (event_message(START_NS + i * NS_PER_MS, *sets[i % len(sets)]) for i in range(BACKLOG))


def _timed(running: Run, folder: Path, what: Callable[[Pool], float], writers: int) -> float:
    with ExitStack() as stack:
        return what(Pool(running, folder, f"{what.__name__.strip('_')}{writers}", writers, stack))


def _waiting(pool: Pool) -> float:
    """Return how long so many jobs take, each stopped some seconds after its start."""
    begin_s = time.perf_counter()
    jobs = [pool.job(str(number)) for number in range(JOBS)]

    def attend(job: Job) -> None:
        job.wait_started(PATIENCE_S)
        time.sleep(WAIT_S)
        job.send_stop()
        job.wait_written(PATIENCE_S)

    with ThreadPoolExecutor(JOBS) as people:
        list(people.map(attend, jobs))
    return time.perf_counter() - begin_s


def _bulk(pool: Pool) -> float:
    """Return how long jobs take that write what Kafka has, all of it each."""
    before_s, begin_s = _cpu_s(pool), time.perf_counter()
    stop_ms = START_MS + BULK_MESSAGES - 1
    jobs = [pool.job(str(number), _panel(), start_time_ms=START_MS, stop_time_ms=stop_ms) for number in range(BULK_JOBS)]
    for job in jobs:
        Path(job.wait_written(PATIENCE_S).file_name).unlink()  # before the disk has to be waited for
        assert job.report["written"] == BULK_MESSAGES, job.report
    took_s = time.perf_counter() - begin_s
    broker_s, writers_s = (after - before for after, before in zip(_cpu_s(pool), before_s, strict=True))
    cpu = f"CPU of the broker {broker_s:.1f} s, of the writers {writers_s:.1f} s: {(broker_s + writers_s) / took_s:.2f} cores"
    print(f"{BULK_JOBS} bulk jobs, {len(pool.writers)} writers: {took_s:.2f} s; {cpu}", flush=True)
    return took_s


def _cpu_s(pool: Pool) -> tuple[float, float]:
    """Return the CPU time that the broker and the writers have taken so far."""
    broker_process = psutil.Process(pool.broker.pid)
    groups = [[broker_process, *broker_process.children(recursive=True)], [psutil.Process(writer.pid) for writer in pool.writers]]
    broker_s, writers_s = (sum(sum(process.cpu_times()[:2]) for process in group) for group in groups)
    return broker_s, writers_s


def _alone(running: Run, folder: Path) -> list[Result]:
    """Return the figures of a single writer."""
    with ExitStack() as stack:
        pool = Pool(running, folder, "alone", 1, stack)
        small = pool.job("small", _panel(), start_time_ms=START_MS, stop_time_ms=START_MS + 10).wait_written(PATIENCE_S)
        half_mb = _peak_mb(pool, "half", BACKLOG // 2)
        all_mb = _peak_mb(pool, "all", BACKLOG)
        large_s = _large_structure_s(pool)
        sizes = {kind: _size(pool, kind) for kind in ("none", "lzf", "gzip", "zstd")}
    print(f"160,000 events on disk: {', '.join(f'{kind} {n / 1e6:.2f} MB' for kind, n in sizes.items())}")
    small_mb = Path(small.file_name).stat().st_size / 1e6
    return [
        at_most("start command of 64 MiB until its file is open", value=large_s, baseline=20.0, target=1.0),
        at_most("resident at its peak, a backlog of 720 MB to one of 360 MB", value=all_mb, baseline=half_mb, target=1.25, unit="MB"),
        at_most("a file of 10 pulses, to the facility's writer", value=small_mb, baseline=GENUINE_BYTES / 1e6, target=0.05, unit="MB"),
    ]


def _peak_mb(pool: Pool, name: str, messages: int) -> float:
    pool.job(name, _panel(), start_time_ms=START_MS, stop_time_ms=START_MS + messages - 1).wait_written(PATIENCE_S)
    status = Path(f"/proc/{pool.writers[0].pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1e3


def _large_structure_s(pool: Pool) -> float:
    """Return how long a command of mostly static values takes to be answered."""
    values = STRUCTURE_BYTES // NODES // 9
    nodes = [compose.dataset(f"d{i}", [float(f"{i}.{j % 1000:03}") for j in range(values)]) for i in range(NODES)]
    text = compose.nexus_structure(compose.group("entry", "NXentry", *nodes))
    begin_s = time.perf_counter()
    job = pool.client.start(text + " " * max(0, STRUCTURE_BYTES - len(text)), "large.nxs")
    job.wait_started(PATIENCE_S)
    took_s = time.perf_counter() - begin_s
    job.send_stop()
    job.wait_written(PATIENCE_S)
    assert len(text) > 0.9 * STRUCTURE_BYTES, len(text)
    assert len(json.loads(text)["children"][0]["children"]) == NODES
    return took_s


def _size(pool: Pool, compression: str) -> int:
    node = _panel(compression=compression)
    finished = pool.job(compression, node, start_time_ms=START_MS, stop_time_ms=START_MS + 159).wait_written(PATIENCE_S)
    return Path(finished.file_name).stat().st_size


def _panel(**config: str) -> compose.Node:
    return compose.group("panel", "NXevent_data", compose.stream("ev44", topic="events", source="panel", **config))
