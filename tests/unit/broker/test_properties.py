import pytest

from testbeam.errors import SettingsError
from testbeam.kafka_distribution.options import LaunchOptions
from testbeam.kafka_distribution.properties import meta_properties, new_cluster_id, server_properties


def read(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines())


def test_clients_and_controller_are_on_loopback_ports_of_their_own() -> None:
    values = read(server_properties(LaunchOptions(plain_port=1111, controller_port=2222), "/data"))

    assert values["listeners"] == "PLAIN://127.0.0.1:1111,CONTROLLER://127.0.0.1:2222"
    assert values["advertised.listeners"] == "PLAIN://127.0.0.1:1111"
    assert values["controller.quorum.voters"] == "1@127.0.0.1:2222"


def test_clients_that_come_through_the_proxy_are_led_back_to_the_proxy() -> None:
    options = LaunchOptions(plain_port=1, controller_port=2, proxied_port=3333, proxy_port=4444)

    values = read(server_properties(options, "/data"))

    assert "PROXIED://127.0.0.1:3333" in values["listeners"].split(",")
    assert values["advertised.listeners"] == "PLAIN://127.0.0.1:1,PROXIED://127.0.0.1:4444"


def test_a_typo_in_a_topic_makes_no_topic_and_old_messages_stay() -> None:
    values = read(server_properties(LaunchOptions(), "/data"))

    assert values["auto.create.topics.enable"] == "false"
    assert values["log.retention.ms"] == "-1"


@pytest.mark.parametrize("heap_mb", [128, 512, 768, 4000])
def test_what_is_held_of_requests_is_bounded_by_the_heap_and_lets_the_largest_in(heap_mb: int) -> None:
    values = read(server_properties(LaunchOptions(heap_mb=heap_mb), "/data"))
    held, largest = int(values["queued.max.request.bytes"]), int(values["socket.request.max.bytes"])

    assert held >= largest >= int(values["message.max.bytes"])
    assert heap_mb < 500 or held + largest < heap_mb * 1e6 * 2 / 3  # the serial collector's old generation


def test_the_default_heap_has_room_for_two_that_announce_the_largest_request_and_stay() -> None:
    values = read(server_properties(LaunchOptions(), "/data"))

    assert int(values["queued.max.request.bytes"]) > 2 * int(values["socket.request.max.bytes"])


def test_a_message_from_a_clock_far_ahead_is_taken() -> None:
    assert int(read(server_properties(LaunchOptions(), "/data"))["log.message.timestamp.after.max.ms"]) == 2**63 - 1


def test_a_broker_that_was_killed_may_register_again_after_a_second() -> None:
    values = read(server_properties(LaunchOptions(), "/data"))

    assert (values["broker.session.timeout.ms"], values["broker.heartbeat.interval.ms"]) == ("1000", "200")


def test_a_property_of_the_user_wins() -> None:
    values = read(server_properties(LaunchOptions(property=("message.max.bytes=5", "a.b = c=d")), "/data"))

    assert (values["message.max.bytes"], values["a.b"]) == ("5", "c=d")


@pytest.mark.parametrize("entry", ["message.max.bytes", "=5", " = 5"])
def test_a_property_without_key_or_value_is_refused_by_name(entry: str) -> None:
    with pytest.raises(SettingsError, match=r"property.*key=value"):
        server_properties(LaunchOptions(property=(entry,)), "/data")


def test_a_folder_of_any_name_reads_back_in_java() -> None:
    values = read(server_properties(LaunchOptions(), "/home/Jürgen/a b\\c/𝄞"))

    assert values["log.dirs"] == "/home/J\\u00fcrgen/a b\\\\c/\\ud834\\udd1e"


def test_a_comma_in_the_folder_is_refused_since_kafka_would_take_it_for_two() -> None:
    with pytest.raises(SettingsError, match="comma"):
        server_properties(LaunchOptions(), "/data/a,b")


def test_the_data_is_formatted_without_a_jvm() -> None:
    assert meta_properties("abc") == "version=1\ncluster.id=abc\nnode.id=1\n"


def test_a_cluster_id_is_128_bits_in_base64url_that_no_option_parser_takes_for_a_flag() -> None:
    assert new_cluster_id(bytes(21)) == "A" * 22
    assert new_cluster_id(bytes([62, *range(20)])).startswith("A")
    assert len(new_cluster_id(bytes(range(200, 221)))) == 22
