"""The audit of files that the file-writer wrote from a real broker, and of such files after something was lost."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from confluent_kafka import TopicPartition

from testbeam.audit.core import Reason
from testbeam.audit.summary import report
from testbeam.cli.commands import run as run_command
from testbeam.errors import AuditError, JobRefused
from testbeam.model.samples import Alarm, ConnectionChange, ConnectionState, Events, LogValue, Severity
from testbeam.nexus.compose import group, log, nexus_structure, stream
from testbeam.wire.flatbuffers.registry import ENCODERS
from tests.hostile.corpus import HOSTILE
from tests.integration.audit.conftest import COMMANDS, Beamline

MS = 1_000_000
At = Callable[[int], int]


def f144(time_ms: int, value: Any, source: str = "VOLT") -> bytes:
    return ENCODERS["f144"](LogValue(source_name=source, value=value, timestamp_ns=time_ms * MS))


def al00(time_ms: int, message: str) -> bytes:
    return ENCODERS["al00"](Alarm(source_name="VOLT", timestamp_ns=time_ms * MS, severity=Severity.MAJOR, message=message))


def ep01(time_ms: int) -> bytes:
    return ENCODERS["ep01"](
        ConnectionChange(source_name="VOLT", timestamp_ns=time_ms * MS, state=ConnectionState.CONNECTED, service_id="f")
    )


def ev44(time_ms: int, n: int, source: str = "panel", *, ids: bool = True) -> bytes:
    return ENCODERS["ev44"](
        Events(
            source_name=source,
            message_id=0,
            reference_time_ns=np.array([time_ms * MS, time_ms * MS + 5], np.int64),
            reference_time_index=np.array([0, n // 2], np.int32),
            time_of_flight_ns=np.arange(n, dtype=np.int32),
            pixel_id=np.arange(n if ids else 0, dtype=np.int32),
        )
    )


def tree(motion: str, detector: str) -> str:
    return nexus_structure(
        group(
            "entry",
            "NXentry",
            log("voltage", topic=motion, source="VOLT"),
            log("mode", topic=motion, source="MODE", dtype="int32"),
            group("trace", "NXlog", stream("f144", topic=motion, source="TRACE", array_size=3)),
            group("panel", "NXevent_data", stream("ev44", topic=detector, source="panel")),
            group("monitor", "NXevent_data", stream("ev44", topic=detector, source="monitor")),
        )
    )


@pytest.fixture(scope="module")
def written(shared_beamline: Beamline, past_ms: At) -> Path:
    """A file with some of everything, from two partitions, with hostile bytes in between."""
    motion, detector = shared_beamline.topic("motion", 2), shared_beamline.topic("detector", 2)
    rng = random.Random(1)
    sent: list[tuple[int, bytes | None, int]] = []
    for i in range(-5, 105):
        at, kafka_ms = past_ms(i * 10), past_ms(i * 10)
        sent.append((i % 2, f144(at, np.float64(i) / 3), kafka_ms))
        sent.append((0, f144(at if i % 3 else at - 10, rng.choice([np.int64(i), np.float32(i), np.uint8(i % 200)]), "MODE"), kafka_ms))
        sent.append((1, f144(at, np.array([i, 0, 1] if i % 5 else [i, 2], np.int32), "TRACE"), kafka_ms))
        sent.append((0, f144(at, np.int8(1), "STRANGER"), kafka_ms))
        if i % 10 == 0:
            sent += [(0, al00(at, f"alarm {i}"), kafka_ms), (0, ep01(at), kafka_ms)]
        sent.append((i % 2, rng.choice(HOSTILE)[1] if i % 4 else None, kafka_ms))
    shared_beamline.send(motion, sent)
    pulses = [(i % 2, ev44(past_ms(i * 10), i % 7), past_ms(i * 10)) for i in range(-5, 105)]
    monitor = [(i % 2, ev44(past_ms(i * 10), 3, "monitor", ids=i % 4 == 0), past_ms(i * 10)) for i in range(-5, 105)]
    shared_beamline.send(detector, [*pulses, *monitor])
    return shared_beamline.write(tree(motion, detector), past_ms(0), past_ms(1_000))


def test_a_written_file_is_clean_and_every_message_on_its_topics_is_accounted_for(beamline: Beamline, written: Path) -> None:
    result = beamline.audit(written)

    assert result.ok, report(result)
    assert result.written == result.expected > 400
    assert result.expected + sum(result.filtered.values()) == result.read
    reasons = {Reason.OUTSIDE_WINDOW, Reason.SUPERSEDED, Reason.SAME_TIME, Reason.FAILED_VERIFICATION, Reason.SOURCE_NOT_IN_JOB}
    assert reasons <= result.filtered.keys()


def test_the_writer_counts_what_the_audit_counts(beamline: Beamline, written: Path) -> None:
    said = [record.value for record in beamline.broker.topic(COMMANDS.control).messages()]
    counts = json.loads(next(value.message for value in said if str(written) == getattr(value, "file_name", "")))
    result = beamline.audit(written)

    assert (counts["written"], counts["older"]) == (result.written, result.older)


@pytest.mark.parametrize(
    ("path", "row"),
    [
        ("voltage/value", 0),
        ("mode/value", 50),
        ("trace/time", 7),
        ("panel/event_id", -1),
        ("monitor/event_index", 3),
        ("voltage/alarm_time", 2),
    ],
)
def test_one_altered_value_in_a_copy_of_the_file_is_found(beamline: Beamline, written: Path, tmp_path: Path, path: str, row: int) -> None:
    copy = tmp_path / written.name
    shutil.copyfile(written, copy)
    with h5py.File(copy, "r+") as file:
        file[f"entry/{path}"][row] += 1

    result = beamline.audit(copy)

    assert not result.ok
    assert path in result.findings[0].path or result.findings[0].path.startswith(f"/entry/{path.split('/')[0]}")


def test_a_message_that_the_writer_never_saw_is_missing(beamline: Beamline, past_ms: At) -> None:
    motion, detector = beamline.topic("motion"), beamline.topic("detector")
    beamline.send(motion, [(0, f144(past_ms(10 * i), np.float64(i)), past_ms(10 * i)) for i in range(50)])
    file = beamline.write(tree(motion, detector), past_ms(0), past_ms(1_000))
    assert beamline.audit(file).ok

    beamline.send(motion, [(0, f144(past_ms(700), np.float64(7)), past_ms(700))])
    result = beamline.audit(file)

    assert (result.missing, result.altered, result.doubled) == (1, 0, 0)
    assert (result.findings[0].topic, result.findings[0].offset) == (motion, 50)
    assert "7.0" in result.findings[0].detail


def test_the_command_prints_the_verdict_and_its_exit_code_says_it(
    beamline: Beamline, written: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [
        "--bootstrap",
        beamline.broker.bootstrap,
        "--command-topic",
        COMMANDS.pool,
        "--time-after-stop",
        "1",
        "--json",
        str(tmp_path / "audit.json"),
    ]
    copy = tmp_path / written.name
    shutil.copyfile(written, copy)
    with h5py.File(copy, "r+") as file:
        file["entry/panel/event_time_offset"][5] = 1_000_000

    assert run_command(["audit", str(written), *options]) == 0
    assert run_command(["audit", str(copy), *options]) == 3
    assert "audit clean" in capsys.readouterr().out
    found = json.loads((tmp_path / "audit.json").read_text())
    assert (found["ok"], found["altered"]) == (False, 1)
    assert "there it is 1000000" in found["findings"][0]


def test_a_file_of_no_known_job_is_refused_with_the_names_of_those_there_are(beamline: Beamline, tmp_path: Path) -> None:
    with pytest.raises(AuditError, match=r"a job that writes .*other\.nxs is not on the topics"):
        beamline.audit(tmp_path / "other.nxs")


def test_a_second_command_for_the_same_file_that_was_refused_does_not_hide_the_first(beamline: Beamline, past_ms: At) -> None:
    motion, detector = beamline.topic("motion"), beamline.topic("detector")
    beamline.send(motion, [(0, f144(past_ms(10 * i), np.float64(i)), past_ms(10 * i)) for i in range(50)])
    file = beamline.write(tree(motion, detector), past_ms(0), past_ms(1_000))
    with pytest.raises(JobRefused):
        beamline.write(tree(motion, detector), past_ms(2_000), past_ms(3_000))

    result = beamline.audit(file)

    assert result.ok, report(result)
    assert (result.start_ms, result.stop_ms, result.written) == (past_ms(0), past_ms(1_000), 50)


def test_a_window_whose_start_kafka_has_deleted_is_not_judged(beamline: Beamline, past_ms: At) -> None:
    motion, detector = beamline.topic("motion"), beamline.topic("detector")
    beamline.send(motion, [(0, f144(past_ms(10 * i), np.float64(i)), past_ms(10 * i)) for i in range(50)])
    file = beamline.write(tree(motion, detector), past_ms(0), past_ms(1_000))
    admin = beamline.broker.kafka.admin()
    for deleted in admin.delete_records([TopicPartition(motion, 0, 10)]).values():
        deleted.result(10)

    with pytest.raises(AuditError, match=rf"no longer holds the start of the window of {motion}\[0\].*offset 10"):
        beamline.audit(file)
