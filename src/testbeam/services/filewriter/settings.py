"""Options of the file-writer. Source: docs/reference/contracts/filewriter.md, "Options"."""

import re
from dataclasses import dataclass
from pathlib import Path

from testbeam.errors import SettingsError
from testbeam.model.time import MS_PER_S
from testbeam.runtime.settings import ProgramSettings, option

COMPRESSIONS = ("none", "lzf", "gzip", "zstd")
PROG = "filewriter"
_OLDER_MS = 100.0  # a bare number from there on is ms in the files of the older writers
_DURATION = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(ms|s|sec|m|min|h)?\s*")
_SECONDS = {"ms": 0.001, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def seconds(text: str) -> float:
    """Return the seconds of a duration such as `500ms`, `10 s` or `2min`; a bare number is seconds.

    Raises:
        ValueError: it is no duration; the message names the units.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no duration; give a number with ms, s, sec, m, min or h")
    return float(match[1]) * _SECONDS[match[2] or "s"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileWriterSettings(ProgramSettings):
    """Options of one file-writer; durations are kept in seconds."""

    brokers: str = option(default="", help="Kafka, as HOST:PORT[,HOST:PORT…]; required")
    command_status_topic: str = option(default="", help="topic for the status while idle, and for refusals; required")
    job_pool_topic: str = option(default="", help="topic from which idle writers take jobs; required")
    command_status_uri: str = option(default="", help="broker and topic in one, as older files have them", flags=("--status-uri",))
    job_pool_uri: str = option(default="", help="broker and topic in one, as older files have them", flags=("--command-uri",))
    hdf_output_prefix: Path = option(default=Path(), help="folder below which every file goes", parse=Path)
    hdf_template_prefix: Path = option(default=Path(), help="folder of the instruments' template files", parse=Path)
    max_queued_writes: int = option(default=1000, help="most messages asked from Kafka at once")
    status_master_interval: float = option(default=2.0, help="time between two status messages", parse=seconds)
    time_before_start: float = option(default=10.0, help="how far before the start data are looked for", parse=seconds)
    time_after_stop: float = option(default=10.0, help="how long late data are waited for", parse=seconds)
    kafka_metadata_max_timeout: float = option(default=10.0, help="longest wait for Kafka's answer to a question", parse=seconds)
    kafka_error_timeout: float = option(
        default=30.0, help="silence of Kafka that ends a job with an error", parse=seconds, flags=("--kafka-error-timeout-seconds",)
    )
    kafka_poll_timeout: float = option(default=0.1, help="longest wait for messages at once", parse=seconds)
    data_flush_interval: float = option(default=10.0, help="longest time until data can be seen in the file", parse=seconds)
    metric_server_port: int = option(default=0, help="port of this machine where Prometheus finds metrics; 0: none")
    grafana_carbon_address: str = option(default="", help="HOST:PORT of a Graphite server that metrics are sent to every 10 s")
    compression: str = option(default="none", help="of streams whose config names none", choices=COMPRESSIONS)
    make_folders: bool = option(default=False, help="make missing folders below the output prefix")
    lease_topic: str = option(default="", help="topic by which another writer takes up a killed one's job; default JOB_POOL_TOPIC_leases")
    service_id: str = option(default="", help="the whole service id, where it must be known; default NAME--HOST--PID--RANDOM")
    service_name: str = option(default="", help="first part of the service id")
    job_pool_group: str = option(default="kafka-to-nexus-worker-pool", help="consumer group shared by all writers of a pool")
    start_command: Path | None = option(default=None, help="JSON file with a job to do at start", parse=Path)
    ready_file: Path | None = option(default=None, help="file for the process id, once Kafka acknowledged the first status", parse=Path)
    kafka_option: tuple[tuple[str, str], ...] = option(default=(), help="librdkafka setting: KEY VALUE", flags=("-X",), words=2)

    def __post_init__(self) -> None:
        """Take broker and topics from the older words, where the newer are not given.

        Raises:
            SettingsError: broker or topics are neither in the newer words nor in the older.
        """
        for uri, topic in ((self.command_status_uri, "command_status_topic"), (self.job_pool_uri, "job_pool_topic")):
            broker, _, name = uri.removeprefix("kafka://").lstrip("/").rpartition("/")
            self._fill("brokers", broker)
            self._fill(topic, name)
        if self.command_status_uri and self.status_master_interval >= _OLDER_MS:
            object.__setattr__(self, "status_master_interval", self.status_master_interval / MS_PER_S)
        missing = [name for name in ("brokers", "command_status_topic", "job_pool_topic") if not getattr(self, name)]
        if missing:
            raise SettingsError(f"--{missing[0].replace('_', '-')}", "", "the broker, the topic of the status and that of the jobs")

    def _fill(self, name: str, value: str) -> None:
        if value and not getattr(self, name):
            object.__setattr__(self, name, value)
