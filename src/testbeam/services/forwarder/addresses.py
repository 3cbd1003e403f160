r"""Addresses of brokers and topics in the options: `[PROTOCOL+MECHANISM\user@]host[:port][/topic]`.

Source: docs/reference/contracts/forwarder.md, "Options".
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from testbeam.errors import SettingsError
from testbeam.services.forwarder.settings import ForwarderSettings
from testbeam.transport.kafka.client import Kafka

DEFAULT_PORT = 9092

_PROTOCOLS = ("SASL_PLAINTEXT", "SASL_SSL")
_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_FORM = r"[PROTOCOL+MECHANISM\user@]host[:port][/topic]"
_ADDRESS = re.compile(
    r"(?://)?(?:(?:(?P<protocol>[^+\\@/]+)\+)?(?P<mechanism>[^+\\@/]+)\\(?P<user>[^@/]+)@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^:/@\\\[\]]+)(?::(?P<port>\d{1,5}))?(?:/(?P<topic>[A-Za-z0-9._-]+))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One address, as written; `security` are librdkafka's options for it."""

    bootstrap: str
    topic: str = ""
    security: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @property
    def kafka(self) -> Kafka:
        """Return the cluster it is on."""
        return Kafka(bootstrap=self.bootstrap, options=dict(self.security))

    @property
    def cluster(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        """Return what two addresses share that one producer can serve."""
        return self.bootstrap, self.security


def parse(option: str, text: str, *, password: str | None = None, ca_file: Path | None = None, topic_needed: bool = True) -> Address:
    """Return the address in `text`, the value of `option`.

    Raises:
        SettingsError: it has another form, an unknown protocol or mechanism, no topic where one is needed, or a user without a password.
    """
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match["port"] or DEFAULT_PORT) > 65535:
        raise SettingsError(option, text, _FORM)
    if topic_needed and not match["topic"]:
        raise SettingsError(option, text, "an address that ends in /TOPIC")
    security = _security(option, text, match, password) if match["mechanism"] else {}
    if ca_file is not None:
        security["ssl.ca.location"] = str(ca_file)
    return Address(
        bootstrap=f"{match['host']}:{match['port'] or DEFAULT_PORT}",
        topic=match["topic"] or "",
        security=tuple(sorted(security.items())),
    )


def _security(option: str, text: str, match: re.Match[str], password: str | None) -> dict[str, str]:
    protocol = match["protocol"] or _PROTOCOLS[0]  # as the first forwarders had it
    for name, found, known in (("protocol", protocol, _PROTOCOLS), ("mechanism", match["mechanism"], _MECHANISMS)):
        if found not in known:
            raise SettingsError(option, text, f"a {name} out of {', '.join(known)}")
    if password is None:
        raise SettingsError(f"{option}-sasl-password", None, f"the password of {match['user']!r}")
    return {
        "security.protocol": protocol,
        "sasl.mechanism": match["mechanism"],
        "sasl.username": match["user"],
        "sasl.password": password,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaAddresses:
    """The addresses of a forwarder; without `storage` its streams are not kept."""

    commands: Address
    status: Address
    output: Address
    storage: Address | None


def kafka_addresses(settings: ForwarderSettings) -> KafkaAddresses:
    """Return the addresses in the options.

    Raises:
        SettingsError: one of them can't be used.
    """
    ca_file = settings.ssl_ca_cert_file

    def address(option: str, text: str, password: str | None, *, topic_needed: bool = True) -> Address:
        return parse(option, text, password=password, ca_file=ca_file, topic_needed=topic_needed)

    storage = settings.storage_topic
    return KafkaAddresses(
        commands=address("config-topic", settings.config_topic, settings.config_topic_sasl_password),
        status=address("status-topic", settings.status_topic, settings.status_topic_sasl_password),
        output=address("output-broker", settings.output_broker, settings.output_broker_sasl_password, topic_needed=False),
        storage=None if storage is None else address("storage-topic", storage, settings.storage_topic_sasl_password),
    )
