"""Files of the file-writer's own parts, every module in turn: clean as they are, and not so with one value changed."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from testbeam.audit.core import AuditResult, Job, Message, compare, expected
from testbeam.audit.destinations import MODULES
from testbeam.errors import WireError
from testbeam.model.arrays import AreaImage, Histogram, LabelledArray, Variable
from testbeam.model.samples import (
    AlarmedLogValue,
    AlarmStatus,
    CacheEntry,
    ConnectionChange,
    ConnectionState,
    IntegerSampleSeries,
    PulseEvents,
    SampleSeries,
    TimeSeries,
)
from testbeam.nexus import compose
from testbeam.services.filewriter import modules
from testbeam.wire.flatbuffers.registry import ENCODERS
from tests.unit.filewriter.writing import Writing

MS = 1_000_000
ALONE = {"enable_alarm_info": False, "enable_epics_con_info": False}


def _image(time_ns: int, n: int, source: str = "s") -> Any:
    return AreaImage(source_name=source, unique_id=n, timestamp_ns=time_ns, data=np.full((2, 2) if n != 3 else (1, 2), n, np.uint16))


def _histogram(time_ns: int, n: int, dtype: str) -> Any:
    data = np.full((2,) if n != 3 else (3,), n, dtype)
    return Histogram(source_name="s", timestamp_ns=time_ns, axes=(), data=data, info=f"n {n}")


def _array(time_ns: int, n: int) -> Any:
    lacking = (Variable(name="errors", data=np.array([n, n], np.int32)),) if n % 2 else ()
    return LabelledArray(source_name="s", timestamp_ns=time_ns, variables=(Variable(name="signal", data=np.array([n, 1.5])), *lacking))


def _samples(kind: Any, time_ns: int, n: int, dtype: str) -> Any:
    values = np.arange(n, n + 3).astype(dtype)
    return kind(
        source_name="s",
        channel=0,
        timestamp_ns=time_ns,
        time_delta_ns=MS / 4,
        message_counter=n,
        values=values,
        timestamps_ns=np.empty(0, np.int64),
    )


def _entry(time_ns: int, n: int) -> Any:
    return CacheEntry(key="s", time_s=time_ns / 1e9, expired=False, ttl_s=0, value=str(n) if n != 3 else "on")


def _pulse(time_ns: int, n: int) -> Any:
    events = np.arange(n, dtype=np.uint32)
    return PulseEvents(source_name="s", message_id=n, timestamp_ns=time_ns, time_of_flight_ns=events, detector_id=events + np.uint32(1))


CASES: dict[str, tuple[dict[str, Any], Callable[[int, int], Any], str]] = {
    "ADAr": ({"array_size": [2, 2], "dtype": "uint16"}, _image, "value"),
    "NDAr": ({"array_size": [2, 2]}, lambda t, n: _image(t, n, "ADPluginKafka"), "value"),
    "ad00": ({"array_size": [2, 2]}, _image, "value"),
    "da00": ({"variables": [{"name": "signal", "shape": [2]}, {"name": "errors", "shape": [2], "dtype": "int32"}]}, _array, "errors"),
    "ep00": ({}, lambda t, n: ConnectionChange(source_name="s", timestamp_ns=t, state=ConnectionState(n % 3), service_id=""), ""),
    "ev42": ({}, _pulse, "event_time_offset"),
    "f142": (
        {"dtype": "int32"},
        lambda t, n: AlarmedLogValue(source_name="s", value=np.float64(n / 2), timestamp_ns=t, status=AlarmStatus.NO_ALARM),
        "value",
    ),
    "hs00": ({"shape": [{"size": 2}]}, lambda t, n: _histogram(t, n, "u8"), "histograms"),
    "hs01": ({"shape": [{"size": 2}]}, lambda t, n: _histogram(t, n, "i4"), "info"),
    "ns10": ({}, _entry, "value"),
    "se00": ({"dtype": "double"}, lambda t, n: _samples(SampleSeries, t, n, "f8"), "value"),
    "senv": ({}, lambda t, n: _samples(IntegerSampleSeries, t, n, "u2"), "value"),
    "tdct": (
        {},
        lambda t, n: TimeSeries(source_name="s", timestamps_ns=np.array([t, t + MS // 3], np.uint64), sequence_counter=n),
        "time",
    ),
}


def written(folder: Path, module: str) -> tuple[Job, list[Message], Path]:
    """Write messages before, in and after a window of 10 ms; return the job, the messages and the file."""
    config, make, _changed = CASES[module]
    source = "ADPluginKafka" if module == "NDAr" else "s"
    start_ns = 1_700_000_000_000 * MS
    node = compose.group("s", "NXlog", compose.stream(module, topic="motion", source=source, **ALONE, **config))
    writing = Writing(folder, [node], start_ns=start_ns, stop_ns=start_ns + 10 * MS)
    payloads = [ENCODERS[module](make(start_ns + (2 * i - 4) * MS, i)) for i in range(10)]
    writing.take(*payloads)
    writing.finish().close()
    job = Job(
        job_id="j",
        filename="a.nxs",
        nexus_structure=compose.nexus_structure(node),
        start_ms=start_ns // MS,
        stop_ms=start_ns // MS + 10,
    )
    kafka_ms = start_ns // MS
    messages = [Message("motion", 0, i, payload, kafka_ms) for i, payload in enumerate(payloads)]
    return job, messages, writing.file.path


def audited(job: Job, messages: list[Message], path: Path) -> AuditResult:
    with h5py.File(path) as file:
        return compare(expected(job, messages), file)


def test_every_module_of_the_file_writer_is_judged_or_has_nothing_to_judge() -> None:
    assert set(modules.NAMES) - set(MODULES) == {"mdat"}
    assert set(CASES) | {"al00", "ep01", "ev44", "f144"} == set(MODULES)


@pytest.mark.parametrize("module", CASES)
def test_a_file_as_it_was_written_is_clean_and_every_message_is_accounted_for(tmp_path: Path, module: str) -> None:
    result = audited(*written(tmp_path, module))

    assert result.ok, result.findings
    assert (result.read, result.missing, result.altered) == (10, 0, 0)
    assert result.written == result.expected >= 5
    assert result.read == result.expected + sum(result.filtered.values())


@pytest.mark.parametrize("module", [module for module, (_config, _make, changed) in CASES.items() if changed])
def test_one_changed_value_is_found(tmp_path: Path, module: str) -> None:
    job, messages, path = written(tmp_path, module)
    path.chmod(0o644)
    with h5py.File(path, "r+") as file:
        dataset = file["s"][CASES[module][2]]
        dataset[2] = b"other" if dataset.dtype.kind == "S" else dataset[2] + 1

    assert not audited(job, messages, path).ok


@pytest.mark.parametrize("module", CASES)
def test_a_message_that_is_not_in_the_file_is_missed(tmp_path: Path, module: str) -> None:
    job, messages, path = written(tmp_path, module)
    make = CASES[module][1]
    more = Message("motion", 0, 10, ENCODERS[module](make(job.start_ns + 9 * MS, 4)), job.start_ms)

    result = audited(job, [*messages[:7], more, *messages[7:]], path)

    assert result.missing == 1
    assert not result.ok


def _with_impossible_times(module: str) -> list[bytes]:
    payloads = []
    for time_ns in (-5, -(2**63), 2**63, 2**64 - 1):
        with suppress(WireError, OverflowError):  # not every schema has room for each
            payloads.append(ENCODERS[module](CASES[module][1](time_ns, 2)))
    return payloads


@pytest.mark.parametrize("module", [module for module in CASES if _with_impossible_times(module)])
def test_a_time_that_can_t_be_is_none_to_writer_and_audit(tmp_path: Path, module: str) -> None:
    payloads, source = _with_impossible_times(module), "ADPluginKafka" if module == "NDAr" else "s"
    node = compose.group("s", "NXlog", compose.stream(module, topic="motion", source=source, **ALONE, **CASES[module][0]))
    writing = Writing(tmp_path, [node])
    writing.take(*payloads)
    writing.finish().close()
    job = Job(job_id="j", filename="a.nxs", nexus_structure=compose.nexus_structure(node), start_ms=0, stop_ms=1)

    result = audited(job, [Message("motion", 0, at, payload, 0) for at, payload in enumerate(payloads)], writing.file.path)

    assert writing.drops.counts == result.filtered == {"time 0": len(payloads)}
    assert result.ok, result.findings


def test_values_that_the_dataset_does_not_hold_are_told_apart(tmp_path: Path) -> None:
    result = audited(*written(tmp_path, "f142"))

    assert result.narrowed == 4  # one of them before the start
    assert any("alarms of f142" in words for words in result.not_judged)
