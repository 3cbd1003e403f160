import json
import re
from pathlib import Path

import pytest

from testbeam.errors import SettingsError
from testbeam.model.runs import RunStart, RunStop
from testbeam.runtime.settings import parse
from testbeam.services.filewriter import start_command
from testbeam.services.filewriter.settings import PROG, FileWriterSettings, seconds
from testbeam.services.filewriter.start_command import Exit

REQUIRED = ["--brokers", "localhost:9092", "--command-status-topic", "status", "--job-pool-topic", "pool"]


@pytest.mark.parametrize(
    ("text", "value"),
    [("500ms", 0.5), ("10 s", 10), ("10sec", 10), ("2m", 120), ("2 min", 120), ("1h", 3600), ("30", 30), ("0.5", 0.5), ("1.5min", 90)],
)
def test_durations_are_read_with_their_units(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "ten", "10 days", "-1s", "1s2"])
def test_what_is_no_duration_is_refused_with_the_units_there_are(text: str) -> None:
    with pytest.raises(ValueError, match="ms, s, sec, m, min or h"):
        seconds(text)


def test_the_defaults_are_those_of_the_contract() -> None:
    settings = parse(FileWriterSettings, PROG, REQUIRED)

    assert (settings.status_master_interval, settings.time_before_start, settings.time_after_stop) == (2, 10, 10)
    assert (settings.kafka_metadata_max_timeout, settings.kafka_error_timeout, settings.kafka_poll_timeout) == (10, 30, 0.1)
    assert (settings.max_queued_writes, settings.data_flush_interval, settings.metric_server_port) == (1000, 10, 0)
    assert settings.hdf_output_prefix == Path()


def test_every_option_may_stand_in_an_ini_file(tmp_path: Path) -> None:
    ini = tmp_path / "writer.ini"
    ini.write_text("[writer]\nbrokers=b:1\ncommand-status-topic=s\njob-pool-topic=p\ntime-after-stop=500ms\nhdf-output-prefix=/data\n")

    settings = parse(FileWriterSettings, PROG, ["-c", str(ini)])
    assert (settings.brokers, settings.time_after_stop, settings.hdf_output_prefix) == ("b:1", 0.5, Path("/data"))


def test_settings_of_librdkafka_are_given_as_key_and_value() -> None:
    settings = parse(FileWriterSettings, PROG, [*REQUIRED, "-X", "sasl.mechanism", "PLAIN", "-X", "socket.timeout.ms", "5000"])

    assert dict(settings.kafka_option) == {"sasl.mechanism": "PLAIN", "socket.timeout.ms": "5000"}


def write(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_a_start_command_may_be_a_pl72_by_its_fields(tmp_path: Path) -> None:
    path = write(
        tmp_path / "start.json",
        {"job_id": "j", "filename": "a.nxs", "nexus_structure": {"children": []}, "start_time": 5, "metadata": {"a": 1}},
    )

    (start,) = start_command.read(path, "status")
    assert start == RunStart(
        job_id="j", filename="a.nxs", nexus_structure='{"children": []}', control_topic="status", start_time_ms=5, metadata='{"a": 1}'
    )


def test_the_older_words_are_understood_and_the_job_gets_an_id(tmp_path: Path) -> None:
    new = {"cmd": "FileWriter_new", "file_attributes": {"file_name": "old.nxs"}, "nexus_structure": "{}"}
    stop = {"cmd": "FileWriter_stop", "job_id": "j", "stop_time": 7}
    start, end, leave = start_command.read(write(tmp_path / "c.json", [new, stop, {"cmd": "FileWriter_exit"}]), "status")

    assert isinstance(start, RunStart)
    assert start.filename == "old.nxs"
    assert re.fullmatch(r"[0-9a-f-]{36}", start.job_id)
    assert isinstance(end, RunStop)
    assert (end.job_id, end.stop_time_ms) == ("j", 7)
    assert isinstance(leave, Exit)


@pytest.mark.parametrize("content", [{"cmd": "Dance"}, {"cmd": "FileWriter_new"}, 5, [1], {"filename": "a"}])
def test_a_file_that_holds_something_else_is_named_with_what_is_expected(tmp_path: Path, content: object) -> None:
    with pytest.raises(SettingsError, match=r"start-command.*c\.json.*FileWriter_new"):
        start_command.read(write(tmp_path / "c.json", content), "status")


def test_files_of_older_writers_name_broker_and_topic_in_one(tmp_path: Path) -> None:
    ini = tmp_path / "writer.ini"
    ini.write_text('command-uri="//kafka:9092/jobs"\nstatus-uri=kafka:9092/status\nstatus-master-interval=2000\nverbosity="Trace"\n')

    settings = parse(FileWriterSettings, PROG, ["-c", str(ini)])
    assert (settings.brokers, settings.job_pool_topic, settings.command_status_topic) == ("kafka:9092", "jobs", "status")
    assert (settings.status_master_interval, settings.verbosity) == (2.0, "trace")


def test_without_a_broker_or_its_topics_the_writer_says_what_it_needs() -> None:
    with pytest.raises(SettingsError, match="--job-pool-topic"):
        parse(FileWriterSettings, PROG, ["--brokers", "b:1", "--command-status-topic", "s"])
