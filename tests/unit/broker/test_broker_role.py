import itertools

import pytest

from testbeam.errors import StackError
from testbeam.stacks.roles.broker.declaration import TopicSpec, broker

EMPTY_CACHE = "/nowhere/at/all"


@pytest.fixture(autouse=True)
def _no_kafka_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KAFKA_HOME", "JAVA_HOME", "TESTBEAM_CACHE"):
        monkeypatch.delenv(name, raising=False)


def words_after(command: tuple[str, ...], flag: str) -> list[str]:
    return [word for before, word in itertools.pairwise(command) if before == flag]


def test_the_broker_listens_on_ports_that_the_run_holds_for_it() -> None:
    service = broker()

    assert {port.name for port in service.ports} == {"plain", "controller"}
    assert service.endpoints == {"kafka": "${address}:${port.plain}"}
    assert words_after(service.command, "--plain-port") == ["${port.plain}"]
    assert words_after(service.command, "--folder") == ["${dir}"]


def test_a_faultable_broker_has_a_second_listener_behind_a_proxy() -> None:
    service = broker(faultable=True)

    assert {port.name for port in service.ports} == {"plain", "controller", "proxied", "proxy"}
    assert words_after(service.command, "--proxy-port") == ["${port.proxy}"]
    assert service.endpoints["proxied"] == "${address}:${port.proxy}"


def test_topics_are_declared_by_name_by_partitions_or_in_full() -> None:
    spec = TopicSpec("c", config={"cleanup.policy": "compact"})

    service = broker(topics=("a", {"b": 3}, spec))

    assert service.options["topics"] == (TopicSpec("a"), TopicSpec("b", partitions=3), spec)


def test_what_has_yet_to_be_fetched_is_fetched_before_the_first_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESTBEAM_CACHE", EMPTY_CACHE)

    service = broker()

    assert len(service.prepare) == 1
    assert "testbeam.stacks.roles.broker.prepare" in service.prepare[0]
    assert words_after(service.prepare[0], "--cache-folder") == [EMPTY_CACHE] == words_after(service.command, "--cache-folder")


def test_properties_and_heap_are_handed_on() -> None:
    service = broker(properties={"message.max.bytes": "5"}, heap_mb=512)

    assert words_after(service.command, "--property") == ["message.max.bytes=5"]
    assert words_after(service.command, "--heap-mb") == ["512"]


def test_a_broker_that_runs_already_has_an_endpoint_and_no_process() -> None:
    service = broker(bootstrap="kafka.example:9092", topics=["a"])

    assert (service.external, service.command, service.endpoints) == (True, (), {"kafka": "kafka.example:9092"})


@pytest.mark.parametrize("bootstrap", ["kafka", "kafka:", ":9092", "kafka:port"])
def test_a_bootstrap_that_is_no_host_and_port_is_refused(bootstrap: str) -> None:
    with pytest.raises(StackError, match="HOST:PORT"):
        broker(bootstrap=bootstrap)
