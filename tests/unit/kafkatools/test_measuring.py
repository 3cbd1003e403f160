import os
from typing import Any, cast

import numpy as np
import pytest

from testbeam.errors import SettingsError
from testbeam.kafkatools.load import Load, LoadMeter, parts_of
from testbeam.kafkatools.measuring import Lag, Latency, Measurement, _Watch, measure
from testbeam.model.samples import Events
from testbeam.wire.flatbuffers.registry import ENCODERS

S = 1_000_000_000
MS = 1_000_000
AT = 1_700_000_000 * S


class Arrived:
    """As much of a client library's message as measuring asks for."""

    def __init__(self, timestamp_ms: int, value: bytes = b"12345", kind: int = 1) -> None:
        self._stamp, self._value = (kind, timestamp_ms), value

    def __len__(self) -> int:
        return len(self._value)

    def timestamp(self) -> tuple[int, int]:
        return self._stamp

    def value(self) -> bytes:
        return self._value


def watched(since: Any, *arrivals: tuple[list[Arrived], int]) -> _Watch:
    watch = _Watch(since)
    for messages, at_ns in arrivals:
        watch.add(cast("Any", messages), at_ns)
    return watch


def test_latency_counts_from_kafka_s_timestamp_to_the_arrival() -> None:
    watch = watched("kafka", ([Arrived(AT // MS - late_ms) for late_ms in range(100)], AT))

    latency = watch.latency()

    assert latency == Latency(since="Kafka timestamp (CreateTime)", count=100, p50_ms=49.0, p99_ms=98.0, max_ms=99.0)
    assert (watch.messages, watch.value_bytes) == (100, 500)


def test_the_broker_s_own_timestamps_are_told_as_such() -> None:
    latency = watched("kafka", ([Arrived(AT // MS, kind=2)], AT)).latency()

    assert latency is not None
    assert latency.since == "Kafka timestamp (LogAppendTime)"


def test_latency_may_count_from_the_newest_pulse_of_the_payload() -> None:
    none = np.empty(0, np.int32)
    events = Events(
        source_name="m",
        message_id=1,
        reference_time_ns=np.array([AT, AT + 10 * MS]),
        reference_time_index=np.array([0, 0], np.int32),
        time_of_flight_ns=none,
        pixel_id=none,
    )

    latency = watched("payload", ([Arrived(0, ENCODERS["ev44"](events)), Arrived(0, b"junk")], AT + 25 * MS)).latency()

    assert latency == Latency(since="payload time", count=1, p50_ms=15.0, p99_ms=15.0, max_ms=15.0)


def test_without_a_message_there_is_no_latency() -> None:
    assert watched("kafka", ([], AT)).latency() is None
    assert watched("payload", ([Arrived(0, b"junk")], AT)).latency() is None


def test_many_equal_latencies_take_the_room_of_one() -> None:
    watch = watched("kafka", *(([Arrived(AT // MS)] * 1_000, AT + 5 * MS) for _ in range(20)))

    assert len(watch.bins) == 1
    assert watch.messages == 20_000


def test_a_process_that_works_is_seen_with_its_cpu_and_memory() -> None:
    meter = LoadMeter(parts_of({"me": os.getpid()}))
    before_s = os.times().user
    while os.times().user - before_s < 0.2:
        sum(range(10_000))

    (load,) = meter.loads(1.0)

    assert load.name == "me"
    assert 0.15 < load.cpu_s == load.cores
    assert load.memory_bytes > 1_000_000
    assert not load.ended


def test_processes_without_a_name_get_that_of_their_program() -> None:
    (name,) = parts_of([os.getpid()])

    assert name.endswith(str(os.getpid()))
    assert parts_of({"a": 1, "b": [2, 3]}) == {"a": (1,), "b": (2, 3)}


def test_a_measurement_reads_as_a_report() -> None:
    measured = Measurement(
        topic="tb_detector",
        seconds=2.0,
        messages=28,
        value_bytes=4_000_000,
        latency=Latency(since="payload time", count=28, p50_ms=1.5, p99_ms=9.0, max_ms=10.0),
        lag=Lag(group="writer", before=None, after=3),
        loads=(Load(name="forwarder", pids=(7,), cpu_s=0.5, cores=0.25, memory_bytes=80_000_000, ended=True),),
        measuring_cpu_s=0.01,
    )

    assert str(measured).splitlines() == [
        "tb_detector: 14.0 messages/s, 2.000 MB/s over 2.0 s",
        "  latency p50 1.5 ms, p99 9.0 ms, max 10.0 ms from payload time to arrival",
        "  lag of group writer: never committed before, 3 messages after",
        "  forwarder: 0.50 s CPU (0.25 cores), 80 MB, ended meanwhile",
        "  measuring: 0.01 s CPU",
    ]
    assert measured.load("forwarder").cpu_s == 0.5


def test_no_time_at_all_is_refused() -> None:
    with pytest.raises(SettingsError, match="for_s: 0"):
        measure(cast("Any", None), "t", 0)
