"""The older writer modules, all in one job over one topic: what their messages become in a file written from Kafka."""

from collections.abc import Callable
from typing import Any

import numpy as np

from testbeam.model.arrays import AreaImage, Histogram, HistogramAxis
from testbeam.model.samples import (
    AlarmedLogValue,
    AlarmStatus,
    CacheEntry,
    ConnectionChange,
    ConnectionState,
    IntegerSampleSeries,
    PulseEvents,
    Severity,
)
from testbeam.model.time import NS_PER_MS
from testbeam.suites.filewriter.jobs import Writing, entry_of, now_ms, ns, read
from testbeam.wire.flatbuffers.registry import ENCODERS

LENGTHS = [1.0, 2.0, 4.0]


def _image(source: str, time_ns: int, n: int) -> Any:
    return AreaImage(source_name=source, unique_id=n, timestamp_ns=time_ns, data=np.array([[n, 1], [2, 3]], np.uint16))


def _histogram(source: str, time_ns: int, n: int) -> Any:
    axis = HistogramAxis(length=2, edges=np.array(LENGTHS), unit="m", label="x")
    return Histogram(source_name=source, timestamp_ns=time_ns, axes=(axis,), data=np.array([n, 2 * n], np.float64), info=f"n {n}")


def _alarmed(source: str, time_ns: int, n: int) -> Any:
    return AlarmedLogValue(
        source_name=source, value=np.float64(n / 2), timestamp_ns=time_ns, status=AlarmStatus.HIHI, severity=Severity.MAJOR
    )


def _pulse(source: str, time_ns: int, n: int) -> Any:
    ids = np.arange(n, dtype=np.uint32)
    return PulseEvents(source_name=source, message_id=n, timestamp_ns=time_ns, time_of_flight_ns=ids + np.uint32(7), detector_id=ids)


def _samples(source: str, time_ns: int, n: int) -> Any:
    return IntegerSampleSeries(
        source_name=source,
        channel=0,
        timestamp_ns=time_ns,
        time_delta_ns=500.0,
        message_counter=n,
        values=np.array([n, n + 1], np.uint16),
        timestamps_ns=np.array([], np.int64),
    )


def _entry(source: str, time_ns: int, n: int) -> Any:
    return CacheEntry(key=source, time_s=time_ns / 1e9, expired=False, ttl_s=0, value=str(n / 4))


def _connection(source: str, time_ns: int, n: int) -> Any:
    return ConnectionChange(source_name=source, timestamp_ns=time_ns, state=ConnectionState(n), service_id="f")


SHAPE = [{"size": 2, "dataset_name": "x", "edges": LENGTHS, "unit": "m", "label": "x"}]
MODULES: dict[str, tuple[dict[str, Any], Callable[[str, int, int], Any]]] = {
    "ADAr": ({"array_size": [2, 2], "dtype": "uint16"}, _image),
    "NDAr": ({"array_size": [2, 2], "dtype": "uint16"}, _image),
    "ep00": ({}, _connection),
    "ev42": ({}, _pulse),
    "f142": ({"value_units": "V", "enable_epics_con_info": False}, _alarmed),
    "hs00": ({"shape": SHAPE, "data_type": "double"}, _histogram),
    "hs01": ({"shape": SHAPE, "data_type": "double"}, _histogram),
    "ns10": ({"value_units": "mm"}, _entry),
    "senv": ({"dtype": "uint16", "enable_epics_con_info": False, "enable_alarm_info": False}, _samples),
}
BEFORE_MS, FIRST_MS, SECOND_MS, AFTER_MS = -1_000, 1_000, 2_000, 9_000


def _source(module: str) -> str:
    return "ADPluginKafka" if module == "NDAr" else f"TB:{module}"


def test_every_older_module_writes_what_came_in_its_window_and_the_value_before(writing: Writing) -> None:
    t = (now_ms() - 20_000) // 1_000 * 1_000  # ns10 has seconds, as a double
    for module, (_config, make) in MODULES.items():
        for n, at_ms in enumerate((BEFORE_MS, FIRST_MS, SECOND_MS, AFTER_MS)):
            payload = ENCODERS[module](make(_source(module), (t + at_ms) * NS_PER_MS, n))
            writing.data.produce(payload, timestamp_ms=t + at_ms)
    nodes = [
        writing.group(module, module, topic=writing.data.name, source=_source(module), **config)
        for module, (config, _make) in MODULES.items()
    ]
    job = writing.write(*nodes, start_time_ms=t, stop_time_ms=t + 5_000)

    times = ns(t + BEFORE_MS, t + FIRST_MS, t + SECOND_MS)
    images = [[[n, 1], [2, 3]] for n in range(3)]
    with entry_of(job) as entry:
        assert read(entry, "ADAr/value", "ADAr/time") == [images, times]
        assert read(entry, "NDAr/value", "NDAr/time") == [images, times]
        assert read(entry, "ep00/connection_status", "ep00/connection_status_time") == [[0, 1, 2], times]
        assert read(entry, "ev42/event_id", "ev42/event_time_offset", "ev42/event_index") == [[0, 0, 1], [7, 7, 8], [0, 1]]
        assert read(entry, "ev42/event_time_zero") == [times[1:]]
        assert read(entry, "f142/value", "f142/time") == [[[0.0], [0.5], [1.0]], times]
        assert read(entry, "f142/alarm_status", "f142/alarm_severity", "f142/alarm_time") == [[b"HIHI"] * 3, [b"MAJOR"] * 3, times]
        for name in ("hs00", "hs01"):
            assert read(entry, f"{name}/histograms", f"{name}/timestamps") == [[[n, 2 * n] for n in range(3)], times]
            assert read(entry, f"{name}/info", f"{name}/x") == [[b"n 0", b"n 1", b"n 2"], LENGTHS]
        assert read(entry, "ns10/value", "ns10/time") == [[0.0, 0.25, 0.5], times]
        assert read(entry, "senv/value", "senv/time") == [[0, 1, 1, 2, 2, 3], [time + delta for time in times for delta in (0, 500)]]
        assert [entry[f"{name}/value"].attrs["units"] for name in ("f142", "ns10")] == ["V", "mm"]
    received = len(MODULES) * 4
    assert (job.report["received"], job.report["written"]) == (received, len(MODULES) * 3 - 1)
