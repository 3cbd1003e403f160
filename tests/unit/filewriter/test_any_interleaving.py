"""Whatever the order in which partitions are read, however portions are cut, whenever the stop is known: the same file.

`model` says which rows it has, one message at a time, and shares no code with the writer or the audit.
"""

import heapq
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from testbeam.audit.core import AuditResult, Job, compare, expected
from testbeam.audit.core import Message as AuditMessage
from testbeam.nexus import compose
from testbeam.services.filewriter.data_reader import DataReader, Progress
from tests.unit.filewriter.kafka_log import TOPIC, LogReader, Sent
from tests.unit.filewriter.writing import Writing, events, log

MS = 1_000_000
FROM_MS, START_MS, STOP_MS, LEEWAY_MS = 900, 1_000, 2_000, 100
LOGS, PANEL = "ab", "p"
ALONE = {"enable_alarm_info": False, "enable_epics_con_info": False}
NODES = [
    *(compose.group(name, "NXlog", compose.stream("f144", topic=TOPIC, source=name, dtype="int64", **ALONE)) for name in LOGS),
    compose.group("p", "NXdetector", compose.stream("ev44", topic=TOPIC, source=PANEL)),
]
# Few different times, so that equal ones, and those on the edges, are as frequent as they matter.
TIMES_MS = [880, 950, 999, 1_000, 1_001, 1_500, 1_501, 1_999, 2_000, 2_001, 2_050, 2_100, 2_101, 2_300]


class Message(NamedTuple):
    """One message to send: what the drawn example consists of; its value is its number."""

    partition: int
    source: str
    time_ms: int
    kafka_ms: int


class Reading(NamedTuple):
    """One way in which a writer may come to read the messages: portions, flushes, when the stop is known, from which offset on."""

    turns: Sequence[tuple[int, int]]
    flush_every: int
    stop_known_after: int
    from_the_first: bool


times = st.sampled_from(TIMES_MS)
messages = st.lists(st.builds(Message, st.integers(0, 2), st.sampled_from([*LOGS, PANEL]), times, times), max_size=30)
turns = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 9)), max_size=12)
readings = st.builds(Reading, turns, st.integers(1, 4), st.integers(0, 5), st.booleans())


def model(sent: Sequence[Message], source: str) -> list[int]:
    """Return the numbers of the messages that the file must hold of a source, in order."""
    by_partition: list[list[tuple[int, int, int]]] = []
    before: list[tuple[int, int, int]] = []
    for partition in range(3):
        rows, newest, begun, done, last, reading = [], 0, False, False, None, False
        for number, message in enumerate(sent):
            if message.partition != partition:
                continue
            reading = reading or message.kafka_ms >= FROM_MS
            if not reading or message.source != source:
                continue
            time = message.time_ms
            begun = begun or time >= START_MS
            inside = START_MS <= time <= STOP_MS and not done
            if inside and (time != last or source == PANEL):
                newest = max(newest, time)
                rows.append((newest, partition, number))
            elif not begun and source != PANEL:
                before.append((-time, partition, number))
            last = time
            done = done or min(time, message.kafka_ms) > STOP_MS + LEEWAY_MS
        by_partition.append(rows)
    merged = [number for _newest, _partition, number in heapq.merge(*by_partition)]
    return [min(before)[2], *merged] if before else merged


def logs_of(sent: Sequence[Message]) -> dict[tuple[str, int], list[Sent]]:
    """Return the partitions of the topic."""
    logs: dict[tuple[str, int], list[Sent]] = {(TOPIC, number): [] for number in range(3)}
    for number, message in enumerate(sent):
        time_ns = message.time_ms * MS
        payload = (
            events(time_ns, [number, number], source=PANEL)
            if message.source == PANEL
            else log(time_ns, np.int64(number), source=message.source)
        )
        of_partition = logs[TOPIC, message.partition]
        of_partition.append(Sent(payload, message.kafka_ms, message.partition, len(of_partition)))
    return logs


def write(folder: Path, sent: Sequence[Message], reading: Reading) -> Path:
    """Return the file that a writer makes of the messages when it reads them in this way."""
    logs = logs_of(sent)
    writing = Writing(folder, NODES, STOP_MS * MS, {TOPIC: 3}, leeway_ns=LEEWAY_MS * MS, start_ns=START_MS * MS)
    if reading.stop_known_after:
        writing.router.set_stop(2**62, fixed=False)
    reader = LogReader(logs, iter(reading.turns))
    data = DataReader(reader=reader, router=writing.router, progress=Progress(leeway_ms=LEEWAY_MS), most=100, from_ms=FROM_MS)
    first = {place: next((s.at for s in of if s.kafka_ms >= FROM_MS), len(of)) for place, of in logs.items()}
    data.open(dict.fromkeys(logs, 0) if reading.from_the_first else first)
    for count in range(1_000):
        known = count >= reading.stop_known_after
        if known:
            writing.router.set_stop(STOP_MS * MS, fixed=True)
        if data.end_partitions(STOP_MS if known else None, STOP_MS + LEEWAY_MS + 1):
            break
        data.read(0)
        if count % reading.flush_every == 0:
            writing.router.flush()
    writing.finish().close()
    return writing.file.path


def audited(sent: Sequence[Message], file: h5py.File) -> AuditResult:
    """Return what the audit says of the file."""
    job = Job(job_id="j", filename="a.nxs", nexus_structure=compose.nexus_structure(*NODES), start_ms=START_MS, stop_ms=STOP_MS)
    on_kafka = [
        AuditMessage(TOPIC, message.number, message.at, message.payload, message.kafka_ms)
        for messages in logs_of(sent).values()
        for message in messages
    ]
    return compare(expected(job, on_kafka, FROM_MS, LEEWAY_MS), file)


@settings(max_examples=max(100, settings().max_examples), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(sent=messages, reading=readings)
def test_the_file_is_the_same_however_its_messages_are_read(tmp_path: Path, sent: list[Message], reading: Reading) -> None:
    if reading.stop_known_after:  # what comes so far past a stop that is not known yet has a clock ahead of all others: see `Window`
        sent = [message for message in sent if min(message.time_ms, message.kafka_ms) <= STOP_MS + LEEWAY_MS]
    folder = tmp_path / "job"
    folder.mkdir()
    try:
        with h5py.File(write(folder, sent, reading)) as file:
            for source in LOGS:
                wanted = model(sent, source)
                assert file[f"{source}/value"][:].tolist() == wanted
                assert file[f"{source}/time"][:].tolist() == [sent[number].time_ms * MS for number in wanted]
            wanted = model(sent, PANEL)
            assert file["p/event_id"][:].tolist() == [number for number in wanted for _ in range(2)]
            assert file["p/event_time_zero"][:].tolist() == [sent[number].time_ms * MS for number in wanted]
            assert file["p/event_index"][:].tolist() == list(range(0, 2 * len(wanted), 2))
            verdict = audited(sent, file)
            assert verdict.ok, verdict.findings
            assert verdict.expected + sum(verdict.filtered.values()) == len(sent)
    finally:
        shutil.rmtree(folder)
