"""Cost of the way from Kafka into a NeXus file beside reading and appending alone: `testbeam bench file_writer`.

A broker is started, and the same messages are read again and again by contenders that take turns. Times are CPU µs per message, all threads
of the process counted. The naive writer decodes with ess-streaming-data-types and appends each message with h5py.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5g, h5p, h5s, h5t
from streaming_data_types.eventdata_ev44 import deserialise_ev44
from streaming_data_types.logdata_f144 import deserialise_f144

from benchmarks.harness import Result, at_least, at_most
from testbeam.kit.stack import Stack
from testbeam.model.samples import Events
from testbeam.nexus import compose
from testbeam.nexus.structure import parse
from testbeam.runtime.counters import Drops
from testbeam.services.filewriter import memory
from testbeam.services.filewriter.columns import Column, ColumnSpec
from testbeam.services.filewriter.data_reader import DataReader, Progress, places_of
from testbeam.services.filewriter.nexus_file import NexusFile
from testbeam.services.filewriter.plan import plan
from testbeam.services.filewriter.router import Router
from testbeam.stacks.roles.broker.declaration import broker
from testbeam.transport.kafka.client import Kafka, Reader, create_topics
from testbeam.wire.flatbuffers.schemas.columns_f144 import decode_f144_columns
from testbeam.wire.flatbuffers.schemas.events_ev44 import encode_ev44
from testbeam.wire.flatbuffers.schemas.log_value_f144 import F144Bank, F144Template

SOURCES = 1_000
LOGS = 2_000_000
EVENT_MESSAGES = {100: 60_000, 1_000: 20_000, 10_000: 3_000}
STREAMS = (1_000, 3_000)
EVENT_TARGETS = {100: 2.0, 1_000: 1.4, 10_000: 1.2}
NAIVE = 400  # messages: so slow that fewer are enough
ROUNDS = 3
AT_ONCE = 1_000
START_NS = 1_700_000_000_000_000_000
BLOCK = 2**20  # values of one coalesced append


class Watch:
    """CPU time of the whole process, from `start` (at first: when it was made)."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Begin anew."""
        self.started_s = time.process_time()

    def us(self) -> float:
        """Return µs since the start."""
        return 1e6 * (time.process_time() - self.started_s)


Contender = Callable[[Path, Watch], int]
"""Does its work with a file of this path; may start the watch anew when all is set up. Returns the number of messages."""


def run() -> list[Result]:
    """Return all figures; takes about 40 s."""
    logging.getLogger("bench").setLevel(logging.ERROR)
    memory.keep_freed()  # as the program does; the others have it, too
    with Stack(broker(heap_mb=512)).run() as stack, TemporaryDirectory() as folder:
        kafka = Kafka(bootstrap=stack["broker"].endpoints["kafka"])
        events = [result for count, messages in EVENT_MESSAGES.items() for result in _events(kafka, Path(folder), count, messages)]
        return [*events, *_logs(kafka, Path(folder)), *_structures(Path(folder))]


def _structures(folder: Path) -> list[Result]:
    """From a structure to an open file, beside the same objects made by h5py's low-level calls."""
    results = []
    for streams in STREAMS:
        nodes = [compose.log(f"pv_{i}", topic="motion", source=f"TB:PV-{i}", units="V") for i in range(streams)]
        text = compose.nexus_structure(compose.group("entry", "NXentry", *nodes))

        def ours(path: Path, _watch: Watch, text: str = text, streams: int = streams) -> int:
            root = parse(text)
            NexusFile(path, root, plan(root), datetime.now(UTC)).close()
            return streams

        made, alone = _measured(folder, ours, partial(_low_level, streams=streams))
        name = f"structure → open file, {streams} f144 streams with alarm and connection: to HDF5's own calls"
        results.append(at_most(name, value=made, baseline=alone, target=1.5, unit="µs"))
    return results


_LOG_DATASETS = {
    "time": ("u8", ("start", "units")),
    "value": ("f8", ("units",)),
    "cue_index": ("i8", ()),
    "cue_timestamp_zero": ("i8", ("start", "units")),
    "connection_status": ("i2", ()),
    "connection_status_time": ("u8", ("start", "units")),
    "alarm_message": ("S200", ()),
    "alarm_severity": ("i2", ()),
    "alarm_time": ("u8", ("start", "units")),
}


def _low_level(path: Path, _watch: Watch, streams: int) -> int:
    """Make groups, datasets and attributes of so many logs, and nothing else."""
    text, scalar = h5t.py_create(h5py.string_dtype(), logical=True), h5s.create(h5s.SCALAR)
    growing, chunked = h5s.create_simple((0,), (h5s.UNLIMITED,)), h5p.create(h5p.DATASET_CREATE)
    chunked.set_chunk((1024,))
    word, nan = np.array("1970-01-01T00:00:00Z", dtype=h5py.string_dtype()), np.array(np.nan)
    kinds = {name: h5t.py_create(np.dtype(kind), logical=True) for name, (kind, _) in _LOG_DATASETS.items()}
    with h5py.File(path, "w", libver=("v110", "v110")) as file:
        entry = h5g.create(file.id, b"entry")
        for number in range(streams):
            group = h5g.create(entry, f"pv_{number}".encode())
            for attribute_name in (b"NX_class", b"topic", b"source", b"writer_module"):
                h5a.create(group, attribute_name, text, scalar).write(word)
            for name, (_kind, attributes) in _LOG_DATASETS.items():
                dataset = h5d.create(group, name.encode(), kinds[name], growing, chunked)
                for attribute in attributes:
                    h5a.create(dataset, attribute.encode(), text, scalar).write(word)
            for statistic in (b"minimum_value", b"maximum_value", b"average_value"):
                dataset = h5d.create(group, statistic, h5t.NATIVE_DOUBLE, scalar)
                dataset.write(h5s.ALL, h5s.ALL, nan)
                h5a.create(dataset, b"units", text, scalar).write(word)
        del group, dataset, entry
        file.swmr_mode = True
    return streams


def _events(kafka: Kafka, folder: Path, count: int, messages: int) -> list[Result]:
    topic = f"ev44_{count}"
    pixels, offsets = np.arange(count, dtype=np.int32), np.arange(count, dtype=np.int32) * 7
    distinct = [event_message(START_NS + i, offsets, pixels) for i in range(min(messages, 200))]
    fill(kafka, topic, (distinct[i % len(distinct)] for i in range(messages)))
    node = compose.group("panel", "NXdetector", compose.stream("ev44", topic=topic, source="panel"))
    append = _append_alone(
        {"event_id": np.tile(pixels, BLOCK // count + 1), "event_time_offset": np.tile(offsets, BLOCK // count + 1)}, count, messages
    )
    alone, appending, ours, naive = _measured(
        folder, _consume(kafka, topic, messages), append, _ours(kafka, topic, messages, [node]), _naive_events(kafka, topic)
    )
    name = f"ev44 → HDF5, {count} events per message"
    return [
        at_most(f"{name}: to consume + append", value=ours, baseline=alone + appending, target=EVENT_TARGETS[count], unit="µs"),
        at_least(f"{name}: to naive", value=ours, baseline=naive, target=3),
    ]


def _logs(kafka: Kafka, folder: Path) -> list[Result]:
    names = [f"TB:PV-{number:04}" for number in range(SOURCES)]
    bank = F144Bank([F144Template(name, np.float64) for name in names])
    sources = np.arange(SOURCES)
    rounds = range(LOGS // SOURCES)
    fill(kafka, "f144", (message for i in rounds for message in bank.fill(sources, sources * 0.5, np.full(SOURCES, START_NS + i))))
    nodes = [compose.group(f"log_{i}", "NXlog", compose.stream("f144", topic="f144", source=name)) for i, name in enumerate(names)]
    decoding, ours, naive = _measured(
        folder, _consume(kafka, "f144", LOGS, decode_f144_columns), _ours(kafka, "f144", LOGS, nodes), _naive_logs(kafka, "f144", names)
    )
    name = f"f144 → HDF5, {SOURCES} sources"
    return [
        at_most(f"{name}: to consume + decode", value=ours, baseline=decoding, target=2, unit="µs"),
        at_least(f"{name}: to naive", value=ours, baseline=naive, target=30),
    ]


def _measured(folder: Path, *contenders: Contender) -> list[float]:
    """Return the median CPU time of each in µs per message."""
    samples: list[list[float]] = [[] for _ in contenders]
    for _ in range(ROUNDS):
        for contender, sample in zip(contenders, samples, strict=True):
            path = folder / "out.nxs"
            watch = Watch()
            messages = contender(path, watch)
            sample.append(watch.us() / messages)
            path.unlink(missing_ok=True)
    return [median(sample) for sample in samples]


def _consume(kafka: Kafka, topic: str, messages: int, work: Callable[[Sequence[bytes]], Any] | None = None) -> Contender:
    def contender(_path: Path, _watch: Watch) -> int:
        with _from_start(kafka, topic) as reader:
            done = 0
            while done < messages:
                portion = reader.read(AT_ONCE, 0.1)
                done += len(portion)
                if work and portion:
                    work([message.value() or b"" for message in portion])
        return messages

    return contender


def _append_alone(columns: dict[str, np.ndarray[Any, Any]], count: int, messages: int) -> Contender:
    """Append the events, and a time and an index for each message, in blocks."""

    def contender(path: Path, _watch: Watch) -> int:
        with h5py.File(path, "w", libver=("v110", "v110")) as file:
            for name, values in columns.items():
                column, left = Column(file, ColumnSpec(name=name, dtype="i4", chunk=BLOCK)), count * messages
                while left:
                    column.append(values[: min(left, BLOCK)])
                    column.flush()
                    left -= min(left, BLOCK)
            for name in ("event_time_zero", "event_index"):
                column = Column(file, ColumnSpec(name=name, dtype="i8", chunk=16_384))
                column.append(np.arange(messages))
                column.flush()
        return messages

    return contender


def _ours(kafka: Kafka, topic: str, messages: int, nodes: Sequence[compose.Node]) -> Contender:
    """Read, verify, route and write with the file-writer's own parts, until the file is closed; making it is not counted."""

    def contender(path: Path, watch: Watch) -> int:
        root = parse(compose.nexus_structure(*nodes))
        file = NexusFile(path, root, plan(root), datetime.now(UTC))
        router = Router(start_ns=START_NS, stop_ns=2**62, drops=Drops(logging.getLogger("bench")))
        router.open(file.routes, {topic: 1})
        watch.start()
        with kafka.reader() as reader:
            data = DataReader(reader=reader, router=router, progress=Progress(leeway_ms=0), most=AT_ONCE)
            data.open(places_of({topic: reader.offsets_at(topic, 0)}))
            while router.received < messages:
                data.read(0.1)
                router.flush(only_full=True)
        router.finish()
        file.close()
        assert router.written == messages, router.drops.counts
        return messages

    return contender


def _naive_events(kafka: Kafka, topic: str) -> Contender:
    def contender(path: Path, _watch: Watch) -> int:
        with h5py.File(path, "w") as file:
            columns = {
                name: _growing(file, name, kind, BLOCK) for name, kind in (("id", "i4"), ("offset", "i4"), ("zero", "i8"), ("index", "i8"))
            }
            for buffer in _first(kafka, topic):
                message = deserialise_ev44(buffer)
                _extend(columns["index"], message.reference_time_index + len(columns["id"]))
                _extend(columns["zero"], message.reference_time)
                _extend(columns["id"], message.pixel_id)
                _extend(columns["offset"], message.time_of_flight)
        return NAIVE

    return contender


def _naive_logs(kafka: Kafka, topic: str, names: Sequence[str]) -> Contender:
    def contender(path: Path, watch: Watch) -> int:
        with h5py.File(path, "w") as file:
            groups = {name: file.create_group(name) for name in names}
            columns = {name: (_growing(group, "time", "i8", 1024), _growing(group, "value", "f8", 1024)) for name, group in groups.items()}
            watch.start()
            for buffer in _first(kafka, topic):
                message = deserialise_f144(buffer)
                time_column, value_column = columns[message.source_name]
                _extend(time_column, [message.timestamp_unix_ns])
                _extend(value_column, [message.value])
        return NAIVE

    return contender


def _growing(group: Any, name: str, kind: str, chunk: int) -> Any:
    return group.create_dataset(name, (0,), kind, maxshape=(None,), chunks=(chunk,))


def _extend(dataset: Any, values: Any) -> None:
    before = len(dataset)
    dataset.resize(before + len(values), axis=0)
    dataset[before:] = values


def _first(kafka: Kafka, topic: str) -> Iterator[bytes]:
    done = 0
    with _from_start(kafka, topic) as reader:
        while done < NAIVE:
            for message in reader.read(NAIVE - done, 0.1):
                done += 1
                yield message.value() or b""


@contextmanager
def _from_start(kafka: Kafka, topic: str) -> Iterator[Reader]:
    with kafka.reader() as reader:
        reader.assign({(topic, 0): 0})
        yield reader


def event_message(time_ns: int, offsets: np.ndarray[Any, Any], pixels: np.ndarray[Any, Any]) -> bytes:
    """Return one pulse as ev44; `offsets` (n,) int32 ns and `pixels` (n,) int32."""
    events = Events(
        source_name="panel",
        message_id=1,
        reference_time_ns=np.array([time_ns], np.int64),
        reference_time_index=np.zeros(1, np.int32),
        time_of_flight_ns=offsets,
        pixel_id=pixels,
    )
    return encode_ev44(events)


def fill(kafka: Kafka, topic: str, messages: Iterator[bytes]) -> None:
    """Make a topic of one partition and send the messages to it."""
    create_topics(kafka, {topic: 1})
    producer = kafka.producer(queue_buffering_max_kbytes=500_000)
    for message in messages:
        while True:
            try:
                producer.produce(topic, message)
            except BufferError:
                producer.poll(0.1)
            else:
                break
    producer.flush(60)
