"""Options of the forwarder. Source: docs/reference/contracts/forwarder.md, "Options"."""

import os
from dataclasses import dataclass
from pathlib import Path

from testbeam.runtime.settings import ProgramSettings, option

PROG = "forwarder"
_ADDRESS = r"[PROTOCOL+MECHANISM\user@]host[:port]"
_TOPIC = f"{_ADDRESS}/topic"


def positive(text: str) -> int:
    """Return a whole number above 0.

    Raises:
        ValueError: it is none.
    """
    if not text.isdigit() or int(text) == 0:
        raise ValueError(f"{text!r} is no whole number above 0")
    return int(text)


def period(text: str) -> int:
    """Return a whole number; 0, as the field's own files have it, stands for never.

    Raises:
        ValueError: it is none.
    """
    return 0 if text == "0" else positive(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwarderSettings(ProgramSettings):
    """Options of one forwarder; EPICS itself is configured by the EPICS_* variables."""

    config_topic: str = option(env="CONFIG_TOPIC", help=f"where commands come from: {_TOPIC}")
    status_topic: str = option(env="STATUS_TOPIC", help=f"where the status goes: {_TOPIC}")
    output_broker: str = option(
        flags=("--broker",), env="OUTPUT_BROKER", help=f"where PV updates go: {_ADDRESS}; each stream names its topic"
    )
    storage_topic: str | None = option(env="STORAGE_TOPIC", default=None, help=f"where the streams are kept for the next start: {_TOPIC}")
    config_topic_sasl_password: str | None = option(env="CONFIG_TOPIC_SASL_PASSWORD", default=None, help="password for --config-topic")
    status_topic_sasl_password: str | None = option(env="STATUS_TOPIC_SASL_PASSWORD", default=None, help="password for --status-topic")
    output_broker_sasl_password: str | None = option(env="OUTPUT_BROKER_SASL_PASSWORD", default=None, help="password for --output-broker")
    storage_topic_sasl_password: str | None = option(env="STORAGE_TOPIC_SASL_PASSWORD", default=None, help="password for --storage-topic")
    ssl_ca_cert_file: Path | None = option(env="SSL_CA_CERT_FILE", default=None, help="certificate of the brokers' authority")
    skip_retrieval: bool = option(default=False, help="do not restore the streams in the storage topic", flags=("-s",))
    pv_update_period: int | None = option(
        env="PV_UPDATE_PERIOD",
        default=None,
        help="send the last value again after so many ms, for streams that ask for it; 0 is never (default: never)",
        parse=period,
    )
    fake_pv_period: int = option(env="FAKE_PV_PERIOD", default=1000, help="ms between the random values of FAKE streams", parse=positive)
    fake_pv_seed: int = option(default=0, help="seed of the random values of FAKE streams")
    service_id: str = option(env="SERVICE_ID", default=f"{os.getpid()}", help="its name in its status (default: the process id)")
    status_interval: int = option(default=4000, help="ms between two status messages", parse=positive)
    first_value_max_age: int | None = option(
        default=None, help="drop a PV's first value if it is older than so many days (default: never)", parse=positive
    )
    queue_messages: int = option(default=1_000_000, help="most messages that wait for Kafka; beyond, the newest of each PV", parse=positive)
    queue_megabytes: int = option(default=256, help="most megabytes that wait for Kafka", parse=positive)
    ready_file: Path | None = option(default=None, help="file to write the process id to, once Kafka has the first status")
    stop_timeout: int = option(default=5000, help="ms that messages under way have for delivery at the end", parse=positive)
    units: bool = option(default=False, help="send the units (un00) of every stream, too")
    streams_json: Path | None = option(default=None, help='file with the streams to begin with: JSON, {"streams": […]}')
    metrics_port: int | None = option(default=None, help="port of 127.0.0.1 on which Prometheus finds metrics", parse=positive)
    grafana_carbon_address: str | None = option(default=None, help="host:port of a Graphite server that metrics are sent to")
    statistics_update_interval: int = option(default=10, help="s between two sets of metrics for Graphite", parse=positive)
    graylog_logger_address: str | None = option(
        env="GRAYLOG_LOGGER_ADDRESS", default=None, help="host:port of a Graylog server that the log is sent to as well, in GELF over UDP"
    )
