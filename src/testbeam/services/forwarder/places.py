"""Which topics and brokers do the options name?"""

from dataclasses import dataclass

from testbeam.services.forwarder.addresses import Address, parse
from testbeam.services.forwarder.settings import ForwarderSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The addresses of a forwarder."""

    commands: Address
    status: Address
    output: Address
    storage: Address | None


def places(settings: ForwarderSettings) -> Places:
    """Return the addresses in the options.

    Raises:
        SettingsError: one of them can't be used.
    """
    ca_file = settings.ssl_ca_cert_file

    def address(option: str, text: str, password: str | None, *, topic_needed: bool = True) -> Address:
        return parse(option, text, password=password, ca_file=ca_file, topic_needed=topic_needed)

    storage = settings.storage_topic
    return Places(
        commands=address("config-topic", settings.config_topic, settings.config_topic_sasl_password),
        status=address("status-topic", settings.status_topic, settings.status_topic_sasl_password),
        output=address("output-broker", settings.output_broker, settings.output_broker_sasl_password, topic_needed=False),
        storage=None if storage is None else address("storage-topic", storage, settings.storage_topic_sasl_password),
    )
