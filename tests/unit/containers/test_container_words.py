"""The command lines by which services run in containers, word by word: no engine is asked."""

import pytest

from testbeam.errors import StackError
from testbeam.kit.containers import engine_commands
from testbeam.kit.containers.container import in_container, run_argv
from testbeam.kit.containers.engine_commands import Container
from testbeam.kit.containers.handle import ContainerHandle
from testbeam.kit.containers.leftovers import Leftover, parse
from testbeam.kit.probes.listening import PortListens
from testbeam.kit.spec import Port, Service
from testbeam.kit.stack import Stack
from testbeam.stacks.roles.broker.container import ContainerBrokerHandle, of_container, variable, variables
from testbeam.stacks.roles.broker.declaration import MetadataAnswers, TopicSpec

NAME = "testbeam-${run_id}-${name}"
LABELS = ("--label", "testbeam.run=${run_id}", "--label", "testbeam.service=${name}", "--label", "testbeam.owner=1000@lab")


def container(image: str = "redis:7", **fields: object) -> Container:
    return Container(image=image, owner="1000@lab", **fields)  # type: ignore[arg-type]


def test_a_plain_container() -> None:
    assert run_argv(container()) == ("docker", "run", "--rm", "--init", "--name", NAME, *LABELS, "redis:7")


def test_ports_are_published_on_the_service_s_address_alone() -> None:
    assert run_argv(container(), (Port(name="main"), Port(name="admin"))) == (
        *("docker", "run", "--rm", "--init", "--name", NAME, *LABELS),
        *("-p", "${address}:${port.main}:${port.main}", "-p", "${address}:${port.admin}:${port.admin}"),
        "redis:7",
    )


def test_everything_that_can_be_said() -> None:
    full = container(
        engine="podman",
        network="host",
        env={"A": "1 2"},
        volumes=("/x:/y:ro",),
        user="1000:100",
        options=("--memory", "1g"),
        image="r/i@sha256:0",
    )

    assert run_argv(full, (Port(name="main"),), ("serve", "--port", "${port.main}")) == (
        *("podman", "run", "--rm", "--init", "--name", NAME, *LABELS, "--network", "host"),
        *("-e", "A=1 2", "-v", "/x:/y:ro", "--user", "1000:100", "--memory", "1g", "r/i@sha256:0"),
        *("serve", "--port", "${port.main}"),
    )


@pytest.mark.parametrize("engine", ["docker", "podman"])
def test_the_engine_is_told_by_these_words(engine: str) -> None:
    assert engine_commands.stop(engine, "n", 9.6) == (engine, "stop", "-t", "10", "n")
    assert engine_commands.kill(engine, "n") == (engine, "kill", "--signal", "KILL", "n")
    assert engine_commands.pause(engine, "n") == (engine, "pause", "n")
    assert engine_commands.unpause(engine, "n") == (engine, "unpause", "n")
    assert engine_commands.remove(engine, "n", "m") == (engine, "rm", "--force", "n", "m")
    assert engine_commands.pull(engine, "i") == (engine, "pull", "i")
    assert engine_commands.list_ours(engine, "0@h") == (
        *(engine, "ps", "--all", "--filter", "label=testbeam.owner=0@h", "--format"),
        '{{.ID}} {{.Label "testbeam.run"}} {{.Label "testbeam.service"}}',
    )


def test_what_is_listed_is_read_line_by_line() -> None:
    assert parse("0a1 run1 broker\n\n0a2 run2 redis\nodd\n") == (
        Leftover(container="0a1", run_id="run1", service="broker"),
        Leftover(container="0a2", run_id="run2", service="redis"),
    )


def test_the_service_is_removed_by_the_guard_and_its_ports_are_left_to_the_engine() -> None:
    service = in_container("r", container(), ports=(Port(name="main"),), ready=PortListens("main"), has_image=False)

    assert service.at_end == (("docker", "rm", "--force", NAME),)
    assert service.prepare == (("docker", "pull", "redis:7"),)
    assert service.ports == (Port(name="main", hold=False),)
    assert service.handle is ContainerHandle
    assert Stack(service).services == (service,)


def test_templates_of_a_container_are_checked_with_the_stack() -> None:
    with pytest.raises(StackError, match=r"\$\{port\.mian\} is not known"):
        Stack(in_container("r", container(volumes=("${port.mian}:/x",)), ports=(Port(name="main"),)))


@pytest.mark.parametrize("image", ["", "--privileged", "a b"])
def test_what_is_no_image_is_refused(image: str) -> None:
    with pytest.raises(StackError, match="is no name of an image, such as apache/kafka"):
        container(image)


def test_what_the_guard_runs_at_the_end_is_checked_like_any_command() -> None:
    with pytest.raises(StackError, match=r"service 'a' at_end: \$\{nobody\} is not known"):
        Stack(Service("a", command=("a",), at_end=(("rm", "${nobody}"),)))


# --- the broker ---


def broker(*, faultable: bool = False, properties: dict[str, str] | None = None) -> Service:
    env = variables(faultable=faultable, properties=properties or {}, heap_mb=256)
    return of_container(
        container("apache/kafka:4.3.1", env=env), name="broker", topics=(TopicSpec("a"),), faultable=faultable, has_image=True
    )


def test_kafka_s_properties_are_variables_of_the_image() -> None:
    assert variable("log.retention.ms") == "KAFKA_LOG_RETENTION_MS"
    assert variable("a_b-c.d") == "KAFKA_A__B___C_D"


def test_the_broker_in_a_container_word_by_word() -> None:
    service = broker()

    assert service.command[:14] == (
        *("docker", "run", "--rm", "--init", "--name", NAME, *LABELS),
        *("-p", "${address}:${port.plain}:${port.plain}"),
    )
    assert service.command[-1] == "apache/kafka:4.3.1"
    given = dict(word.split("=", 1) for before, word in zip(service.command, service.command[1:], strict=False) if before == "-e")
    assert given == {
        "CLUSTER_ID": "dGVzdGJlYW0tY2x1c3Rlcg",
        "KAFKA_ADVERTISED_LISTENERS": "PLAIN://${address}:${port.plain}",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_BACKGROUND_THREADS": "1",
        "KAFKA_BROKER_HEARTBEAT_INTERVAL_MS": "200",
        "KAFKA_BROKER_SESSION_TIMEOUT_MS": "1000",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_CONTROLLER_QUORUM_APPEND_LINGER_MS": "0",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@127.0.0.1:29093",
        "KAFKA_DEFAULT_REPLICATION_FACTOR": "1",
        "KAFKA_GROUP_COORDINATOR_THREADS": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_HEAP_OPTS": "-Xmx256m",
        "KAFKA_INTER_BROKER_LISTENER_NAME": "PLAIN",
        "KAFKA_LISTENERS": "PLAIN://0.0.0.0:${port.plain},CONTROLLER://127.0.0.1:29093",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAIN:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "KAFKA_LOG_CLEANER_DEDUPE_BUFFER_SIZE": "2097152",
        "KAFKA_LOG_MESSAGE_TIMESTAMP_AFTER_MAX_MS": "9223372036854775807",
        "KAFKA_LOG_RETENTION_MS": "-1",
        "KAFKA_QUEUED_MAX_REQUEST_BYTES": "307200000",
        "KAFKA_SOCKET_REQUEST_MAX_BYTES": "104857600",
        "KAFKA_MESSAGE_MAX_BYTES": "104857600",
        "KAFKA_METADATA_MAX_IDLE_INTERVAL_MS": "0",
        "KAFKA_MIN_INSYNC_REPLICAS": "1",
        "KAFKA_NODE_ID": "1",
        "KAFKA_NUM_IO_THREADS": "2",
        "KAFKA_NUM_NETWORK_THREADS": "1",
        "KAFKA_NUM_RECOVERY_THREADS_PER_DATA_DIR": "1",
        "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "1",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_REPLICA_FETCH_MAX_BYTES": "104857600",
        "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR": "1",
        "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_NUM_PARTITIONS": "1",
        "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_SHARE_COORDINATOR_THREADS": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS": "1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
    }


def test_the_broker_in_a_container_is_a_broker_to_everybody_else() -> None:
    service = broker()

    assert service.endpoints == {"kafka": "${address}:${port.plain}"}
    assert service.ready == MetadataAnswers()
    assert service.handle is ContainerBrokerHandle
    assert service.options["topics"] == (TopicSpec("a"),)
    assert Stack(service).services == (service,)


def test_a_faultable_one_publishes_its_second_listener_and_leaves_the_proxy_its_port() -> None:
    service = broker(faultable=True)

    assert "${address}:${port.proxied}:${port.proxied}" in service.command
    assert not any("port.proxy}:" in word for word in service.command)
    assert "KAFKA_ADVERTISED_LISTENERS=PLAIN://${address}:${port.plain},PROXIED://${address}:${port.proxy}" in service.command
    assert [port.name for port in service.ports if port.hold] == ["proxy"]


def test_one_s_own_properties_win() -> None:
    assert "KAFKA_LOG_RETENTION_MS=5" in broker(properties={"log.retention.ms": "5"}).command
    assert "KAFKA_LOG_RETENTION_MS=-1" not in broker(properties={"log.retention.ms": "5"}).command
