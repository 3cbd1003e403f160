"""Log-in and certificates of a broker, for its probe, topics, clients and services: a file of librdkafka's options in the run."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbeam.errors import SettingsError
from testbeam.kit import template
from testbeam.kit.spec import ServiceView

if TYPE_CHECKING:
    from testbeam.transport.kafka.client import Kafka

VARIABLE = "TESTBEAM_KAFKA_CONFIG"  # read by every Kafka client of ours; tied to `transport.kafka.client` by a test


def file_of(broker: str) -> str:
    """Return where the options of the broker of this name are, as a template; there is none for one that asks for nothing."""
    return f"${{config_dir}}/{broker}-client.properties"


def environment(broker: str) -> dict[str, str]:
    """Return the variable that leads a service to the options of its broker."""
    return {VARIABLE: file_of(broker)}


def files(options: Mapping[str, str]) -> dict[str, str]:
    """Return the file that a broker with these options brings into the run, as a Service takes it."""
    text = "".join(f"{key}={value}\n" for key, value in options.items()).replace("$", "$$")
    return {"config-files/${name}-client.properties": text} if options else {}


def read(config: Path | str | None, options: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the options of a file and those that are given, which win.

    Raises:
        SettingsError: the file can't be read, or a line is not KEY=VALUE.
    """
    from testbeam.transport.kafka.options import options_of_file  # late: few brokers ask for a log-in

    of_file = {} if config is None else options_of_file(Path(config).expanduser())
    found = of_file | {key: str(value) for key, value in (options or {}).items()}
    for word in ("bootstrap.servers", "metadata.broker.list"):
        if found.pop(word, ""):
            raise SettingsError("client_options", word, "the address as bootstrap=, and only log-in and certificates as options")
    return found


def kafka_of(service: ServiceView, brokers: str, **options: Any) -> "Kafka":
    """Return the cluster at a template such as `${broker.kafka}`, with the log-in of the broker that it names."""
    broker = next((name.partition(".")[0] for name in template.names(brokers)), "")
    return _kafka(service, service.fill(brokers), broker, options)


def kafka_of_broker(broker: ServiceView, **options: Any) -> "Kafka":
    """Return the cluster of a broker's own endpoint, with its log-in."""
    return _kafka(broker, broker.endpoints["kafka"], broker.name, options)


def _kafka(service: ServiceView, bootstrap: str, broker: str, options: Mapping[str, Any]) -> "Kafka":
    from testbeam.transport.kafka.client import Kafka  # late: the client library is 70 ms of a start that may not need it
    from testbeam.transport.kafka.options import options_of_file

    file = Path(service.fill(file_of(broker))) if broker else None
    log_in = options_of_file(file) if file is not None and file.is_file() else {}
    return Kafka(bootstrap=bootstrap, options={**log_in, **options})
