from pathlib import Path

import pytest

from testbeam.errors import SettingsError
from testbeam.runtime.settings import parse as parse_settings
from testbeam.services.forwarder.addresses import kafka_addresses, parse
from testbeam.services.forwarder.settings import PROG, ForwarderSettings

REQUIRED = ["--config-topic", "h:1/commands", "--status-topic", "h:1/status", "--output-broker", "h:1"]


def read(*argv: str) -> ForwarderSettings:
    return parse_settings(ForwarderSettings, PROG, [*REQUIRED, *argv])


@pytest.mark.parametrize(
    ("text", "bootstrap", "topic"),
    [
        ("kafka:9092/commands", "kafka:9092", "commands"),
        ("kafka/commands", "kafka:9092", "commands"),
        ("127.0.0.1:19092/a.b-c_d", "127.0.0.1:19092", "a.b-c_d"),
        ("[::1]:9093/t", "[::1]:9093", "t"),
    ],
)
def test_an_address_is_host_port_and_topic(text: str, bootstrap: str, topic: str) -> None:
    address = parse("config-topic", text)

    assert (address.bootstrap, address.topic) == (bootstrap, topic)


@pytest.mark.parametrize("text", ["", "/topic", "host:port/topic", "host:99999/t", "host:1/", "host:1/a b", "a/b/c", "host:1:2/t"])
def test_what_is_no_address_is_refused_with_the_form_that_is_meant(text: str) -> None:
    with pytest.raises(SettingsError, match=r"config-topic: .*host"):
        parse("config-topic", text)


def test_a_topic_may_only_be_left_out_where_streams_name_it() -> None:
    with pytest.raises(SettingsError, match="ends in /TOPIC"):
        parse("status-topic", "kafka:9092")

    assert parse("output-broker", "kafka:9092", topic_needed=False).topic == ""


def test_a_user_at_a_broker_becomes_librdkafkas_options() -> None:
    address = parse("config-topic", r"SASL_SSL+SCRAM-SHA-256\jo@kafka:9092/t", password="secret", ca_file=Path("/ca.pem"))

    assert address.kafka.config() | {"bootstrap.servers": "kafka:9092"} == address.kafka.config()
    assert dict(address.security) == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-256",
        "sasl.username": "jo",
        "sasl.password": "secret",
        "ssl.ca.location": "/ca.pem",
    }
    assert "secret" not in repr(address)


@pytest.mark.parametrize(
    ("text", "password", "problem"),
    [
        (r"SASL_SSL+PLAIN\jo@kafka/t", None, "config-topic-sasl-password.*'jo'"),
        (r"TLS+PLAIN\jo@kafka/t", "x", "protocol out of SASL_PLAINTEXT, SASL_SSL"),
        (r"SASL_SSL+MD5\jo@kafka/t", "x", "mechanism out of PLAIN"),
    ],
)
def test_a_user_needs_a_password_and_a_known_protocol_and_mechanism(text: str, password: str | None, problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        parse("config-topic", text, password=password)


def test_topics_on_one_cluster_share_a_producer_and_others_do_not() -> None:
    settings = read("--storage-topic", "other:1/stored")
    where = kafka_addresses(settings)

    assert where.commands.cluster == where.status.cluster == where.output.cluster
    assert where.storage is not None
    assert where.storage.cluster != where.output.cluster


def test_options_of_the_contract_have_their_defaults() -> None:
    settings = read()

    assert (settings.pv_update_period, settings.fake_pv_period, settings.status_interval) == (None, 1000, 4000)
    assert settings.service_id.isdigit()


@pytest.mark.parametrize("value", ["-5", "soon", "1.5", ""])
def test_a_period_is_a_whole_number_of_ms(value: str) -> None:
    with pytest.raises(SystemExit):
        read("--pv-update-period", value)


def test_a_period_of_0_is_never_as_in_the_field_s_own_files() -> None:
    assert read("--pv-update-period", "0").pv_update_period == 0


def test_an_ini_file_gives_options_and_the_command_line_wins(tmp_path: Path) -> None:
    file = tmp_path / "forwarder.ini"
    file.write_text(
        "config-topic = kafka:9092/commands\nstatus-topic = kafka:9092/status\noutput-broker = kafka:9092\npv-update-period = 500\n"
    )

    settings = parse_settings(ForwarderSettings, PROG, ["-c", str(file), "--pv-update-period", "250", "-v", "Debug"])

    assert (settings.config_topic, settings.pv_update_period, settings.verbosity) == ("kafka:9092/commands", 250, "debug")
