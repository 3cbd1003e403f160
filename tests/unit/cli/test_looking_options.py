from datetime import UTC, datetime
from pathlib import Path

import pytest

from testbeam.cli import replay, topic
from testbeam.cli.bootstrap import bootstrap_of, kafka_of
from testbeam.console.times import moment_ms, seconds
from testbeam.errors import SettingsError
from testbeam.transport.kafka.client import Kafka

NOW_MS = 1_700_000_000_000


@pytest.mark.parametrize(("text", "is_s"), [("500ms", 0.5), ("10s", 10), ("10", 10), ("1.5m", 90), ("2h", 7_200), ("1d", 86_400)])
def test_a_length_of_time_has_a_unit_or_is_in_seconds(text: str, is_s: float) -> None:
    assert seconds("--for", text) == is_s


@pytest.mark.parametrize("text", ["", "s", "-5s", "5 weeks", "1e3s", "٣s٣"])
def test_what_is_no_length_of_time_is_refused_with_examples(text: str) -> None:
    with pytest.raises(SettingsError, match=r"--for: .* such as 500ms, 10s"):
        seconds("--for", text)


@pytest.mark.parametrize(
    ("text", "is_ms"),
    [
        ("beginning", 0),
        ("now", NOW_MS),
        ("5m", NOW_MS - 300_000),
        ("-5m", NOW_MS - 300_000),
        ("2023-11-14T22:13:20Z", 1_700_000_000_000),
        ("2023-11-14T22:13:20.123+00:00", 1_700_000_000_123),
        ("2023-11-14T23:13:20+01:00", 1_700_000_000_000),
    ],
)
def test_a_moment_is_so_long_ago_or_a_time(text: str, is_ms: int) -> None:
    assert moment_ms("--since", text, NOW_MS) == is_ms


def test_a_time_without_a_zone_is_local() -> None:
    local = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC).astimezone()

    assert moment_ms("--since", local.strftime("%Y-%m-%dT%H:%M:%S"), NOW_MS) == 1_700_000_000_000


@pytest.mark.parametrize("text", ["yesterday", "2023-13-01", ""])
def test_what_is_no_moment_is_refused_with_examples(text: str) -> None:
    with pytest.raises(SettingsError, match=r"--since: .*how long ago"):
        moment_ms("--since", text, NOW_MS)


@pytest.mark.parametrize("text", ["localhost:9092", "a:1,b:65535", "[::1]:9092"])
def test_a_broker_is_a_host_and_a_port(text: str) -> None:
    assert bootstrap_of(text) == text


@pytest.mark.parametrize("text", ["localhost", "localhost:", ":9092", "localhost:http", "localhost:70000", "a:1,b"])
def test_what_is_no_host_and_port_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="such as localhost:9092"):
        bootstrap_of(text)


def test_without_a_broker_the_ways_to_one_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))  # whatever else this user keeps up
    monkeypatch.chdir(tmp_path)

    with pytest.raises(SettingsError, match=r"^--bootstrap is missing; give HOST:PORT of a broker, or start a stack first"):
        bootstrap_of("")


def test_client_options_come_from_a_file_and_the_command_line_wins(tmp_path: Path) -> None:
    config = tmp_path / "kafka.properties"
    config.write_text("# ours\nbootstrap.servers=kafka:9093\nsecurity.protocol = SASL_SSL\nsasl.password=a=b\n\n")

    kafka = kafka_of("", ["security.protocol=SASL_PLAINTEXT"], config)

    assert kafka.bootstrap == "kafka:9093"
    assert kafka.options == {"security.protocol": "SASL_PLAINTEXT", "sasl.password": "a=b"}


@pytest.mark.parametrize("name", ["bootstrap.servers", "metadata.broker.list"])
def test_the_broker_of_the_command_line_is_the_only_one_whatever_the_file_says(tmp_path: Path, name: str) -> None:
    config = tmp_path / "kafka.properties"
    config.write_text(f"{name}=production:9092\nclient.id=mine\n")

    kafka = kafka_of("localhost:9092", None, config)

    assert (kafka.bootstrap, kafka.options) == ("localhost:9092", {"client.id": "mine"})
    assert kafka_of("", None, config).bootstrap == "production:9092"


def test_a_cluster_is_where_its_bootstrap_is_whatever_its_options_say() -> None:
    kafka = Kafka(bootstrap="localhost:9092", options={"bootstrap.servers": "production:9092"})

    assert kafka.config()["bootstrap.servers"] == "localhost:9092"
    assert kafka.config(bootstrap_servers="other:1")["bootstrap.servers"] == "other:1"


def test_an_option_without_a_value_is_told_with_its_place(tmp_path: Path) -> None:
    config = tmp_path / "kafka.properties"
    config.write_text("a=b\nnonsense\n")

    with pytest.raises(SettingsError, match=r"kafka\.properties:2: 'nonsense'.*KEY=VALUE"):
        kafka_of("localhost:1", None, config)
    with pytest.raises(SettingsError, match="--kafka-property: 'x'"):
        kafka_of("localhost:1", ["x"], None)
    with pytest.raises(SettingsError, match="--kafka-config"):
        kafka_of("localhost:1", None, tmp_path / "nowhere")


@pytest.mark.parametrize(("text", "place"), [("0@12", (0, 12)), ("3@-1", (3, -1))])
def test_an_offset_has_its_partition(text: str, place: tuple[int, int]) -> None:
    assert topic._place(text) == place


@pytest.mark.parametrize("text", ["12", "@", "0@", "@1", "a@1", "0@b", "-1@1"])
def test_an_offset_without_its_partition_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"--offset: .*0@1234"):
        topic._place(text)


def test_a_speed_is_a_number_or_max() -> None:
    assert (replay._speed("2.5"), replay._speed("max")) == (2.5, None)
    with pytest.raises(SettingsError, match="--speed: 'fast'"):
        replay._speed("fast")


@pytest.mark.parametrize("text", ["a", "a=", "=b"])
def test_a_renaming_has_two_names(text: str) -> None:
    with pytest.raises(SettingsError, match=r"--map: .*OLD=NEW"):
        replay._pair(text)
