"""A cluster that asks for a log-in, or shows a certificate, in the place of ours: probe, topics, clients and services all get in."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import trustme
from confluent_kafka import admin as kafka_admin
from confluent_kafka.cimpl import NewTopic
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from testbeam.clients.forwarder import ForwarderClient
from testbeam.clients.livedata.waiting import wait_for_condition
from testbeam.clients.topics import Topics as TopicsOfCluster
from testbeam.errors import NotReady, ServiceDied, SettingsError
from testbeam.kit.spec import Port
from testbeam.kit.stack import Stack
from testbeam.model.forwarding import Protocol, StreamSpec
from testbeam.nexus.compose import log, nexus_structure
from testbeam.runtime import exit_codes
from testbeam.stacks.reference import light_chain
from testbeam.stacks.roles.broker.declaration import broker
from testbeam.stacks.roles.event_source.declaration import event_source
from testbeam.stacks.roles.filewriter.declaration import FileWriterHandle, filewriter
from testbeam.stacks.roles.livedata.declaration import livedata
from testbeam.stacks.topics import Topics
from testbeam.transport.kafka.client import Kafka
from tests.unit.livedata.bench import events, start

LISTENERS = "PLAIN://${address}:${port.plain},SASL://${address}:${port.sasl},TLS://${address}:${port.tls}"
JAAS = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_reader="sesame" user_worker="open";'


@dataclass(frozen=True)
class Cluster:
    """Where the guarded listeners are, and the options of a client that is let in."""

    at: Mapping[str, str]
    options: Mapping[str, Mapping[str, str]]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Run our own Kafka with a listener that asks for a log-in and one behind TLS, by a certificate made here."""
    folder = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    certificate = authority.issue_cert("127.0.0.1")
    key = load_pem_private_key(certificate.private_key_pem.bytes(), None)
    chain = b"".join(one.bytes() for one in certificate.cert_chain_pems)
    (folder / "server.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + chain)
    properties = {
        "listeners": f"{LISTENERS},CONTROLLER://${{address}}:${{port.controller}}",
        "advertised.listeners": LISTENERS,
        "listener.security.protocol.map": "PLAIN:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SSL",
        "listener.name.sasl.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.sasl.plain.sasl.jaas.config": JAAS,
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS;User:reader",
        "listener.name.tls.ssl.keystore.type": "PEM",
        "listener.name.tls.ssl.keystore.location": str(folder / "server.pem"),
    }
    ours = broker(properties=properties)
    guarded = ours.configured(
        ports=(*ours.ports, Port(name="sasl"), Port(name="tls")),
        endpoints={**ours.endpoints, "sasl": "${address}:${port.sasl}", "tls": "${address}:${port.tls}"},
    )
    log_in = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": "reader", "sasl.password": "sesame"}
    tls = {"security.protocol": "SSL", "ssl.ca.location": str(folder / "authority.pem")}
    worker = log_in | {"sasl.username": "worker", "sasl.password": "open"}
    with Stack(guarded).run() as run:
        yield Cluster(
            at=run["broker"].endpoints,
            options={"sasl": log_in, "worker": worker, "tls": tls},
        )


def own_topics() -> Topics:
    return Topics(prefix=f"login-{uuid4().hex[:8]}")


def test_the_whole_chain_works_with_a_cluster_that_asks_for_a_log_in(cluster: Cluster) -> None:
    topics = own_topics()
    with light_chain(topics, bootstrap=cluster.at["sasl"], client_options=cluster.options["sasl"]).run() as run:
        run["forwarder"].forward("VOLT-RB")  # type: ignore[attr-defined]
        motion = run["broker"].topic(topics.motion)  # type: ignore[attr-defined]
        motion.expect(source="VOLT-RB", schema="f144", within_s=60)
        writer = run.service("filewriter", FileWriterHandle)
        job = writer.start_job(nexus_structure(log("volt", topic=topics.motion, source="VOLT-RB")), "volt.nxs")
        job.wait_started(50)
        job.stop(within_s=50)
        assert Path(job.wait_written(within_s=100).file_name).is_file()
        assert "sesame" not in str(run["broker"].endpoints)


def test_a_forwarder_logs_in_by_what_its_addresses_say(cluster: Cluster) -> None:
    kafka = Kafka(bootstrap=cluster.at["sasl"], options=cluster.options["sasl"])
    names = {word: f"address-{uuid4().hex[:8]}-{word}" for word in ("config", "status", "storage", "data")}
    admin = kafka.admin()  # what it is asked for ends with it
    for waiting in admin.create_topics([NewTopic(name, 1, 1) for name in names.values()]).values():
        waiting.result(20)
    at = rf"SASL_PLAINTEXT+PLAIN\reader@{cluster.at['sasl']}"
    options = {f"{word}-topic": f"{at}/{names[word]}" for word in ("config", "status", "storage")}
    argv = [f"--{key}={value}" for key, value in (options | {"output-broker": at, "fake-pv-period": "50"}).items()]
    passwords = {f"{word}_SASL_PASSWORD": "sesame" for word in ("CONFIG_TOPIC", "STATUS_TOPIC", "STORAGE_TOPIC", "OUTPUT_BROKER")}

    program = [sys.executable, "-m", "testbeam.services.forwarder", *argv]
    with (
        ForwarderClient(kafka, names["config"], names["status"]) as client,
        TopicsOfCluster(kafka) as topics,
        subprocess.Popen(program, env=os.environ | passwords, stderr=subprocess.PIPE, text=True) as process,
    ):
        try:
            client.next_status(50)
            client.add(stream := StreamSpec(channel="A", schema="f144", topic=names["data"], protocol=Protocol.FAKE))
            client.wait_for_streams([stream], 20)
            topics.handle(names["data"]).expect(source="A", schema="f144", within_s=60)
            topics.handle(names["storage"]).expect(within_s=60)
        finally:
            process.terminate()
            said = process.communicate(timeout=60)[1]

    assert process.returncode == 0, said
    assert "sesame" not in said


def test_services_reach_a_cluster_behind_tls_by_the_authority_that_is_named(cluster: Cluster, tmp_path: Path) -> None:
    topics, config = own_topics(), tmp_path / "client.properties"
    config.write_text("# of the facility\n" + "".join(f"{key}={value}\n" for key, value in cluster.options["tls"].items()))
    writer = filewriter(pool_topic=topics.pool, status_topic=topics.writer_status, control_topic=topics.control)
    source = event_source(detector_topic=topics.detector, monitor_topic=topics.beam_monitor)

    with Stack(broker(bootstrap=cluster.at["tls"], client_config=config), writer, source).run() as run:
        run["broker"].topic(topics.detector).expect(within_s=60)  # type: ignore[attr-defined]
        assert run["filewriter"].state.name == "READY"


@pytest.mark.parametrize(
    ("listener", "options", "words"),
    [
        (
            "sasl",
            {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": "x", "sasl.password": "y"},
            "Authentication failed",
        ),
        ("tls", {"security.protocol": "SSL", "ssl.ca.location": ""}, "certificate verify failed"),
    ],
)
def test_who_is_not_let_in_is_told_why(cluster: Cluster, listener: str, options: dict[str, str], words: str) -> None:
    given = {key: value for key, value in options.items() if value}
    service = broker(bootstrap=cluster.at[listener], client_options=given).configured(ready_timeout_s=4.0)

    with pytest.raises(NotReady, match=words) as caught, Stack(service).run():
        pass

    assert "sasl.password" not in str(caught.value)


def rule(kafka: Kafka, topic: str, operation: str, permission: str) -> None:
    """Have the cluster ALLOW or DENY the worker something."""
    words: Any = kafka_admin  # whose annotations leave some of its names out
    pattern = words.ResourceType.TOPIC, topic, words.ResourcePatternType.LITERAL
    allowed = words.AclOperation[operation], words.AclPermissionType[permission]
    admin = kafka.admin()  # what it is asked for ends with it
    for waiting in admin.create_acls([words.AclBinding(*pattern, "User:worker", "*", *allowed)]).values():
        waiting.result(20)


@pytest.mark.parametrize(("operation", "of"), [("READ", "beam_monitor"), ("WRITE", "livedata_data")])
def test_live_data_whose_rights_are_revoked_says_so_and_ends(cluster: Cluster, operation: str, of: str) -> None:
    prefix, kafka = f"rights-{uuid4().hex[:8]}", Kafka(bootstrap=cluster.at["sasl"], options=cluster.options["sasl"])
    rule(kafka, "*", "ALL", "ALLOW")  # of topics, but of no group, which no reader of ours needs
    service = livedata(instrument="dummy", services=["monitor_data"], commands_topic=f"{prefix}_livedata_commands")
    stack = Stack(broker(bootstrap=cluster.at["sasl"], client_options=cluster.options["worker"]), service)
    with suppress(ServiceDied), stack.run() as run, TopicsOfCluster(kafka) as topics:
        topics.handle(f"{prefix}_livedata_commands").produce(start())
        topics.handle(f"{prefix}_livedata_responses").expect(within_s=50)
        rule(kafka, f"{prefix}_{of}", operation, "DENY")
        data, worker = topics.handle(f"{prefix}_beam_monitor"), run["livedata"]

        def has_ended() -> bool:
            data.produce(events("monitor1", time.time_ns(), [1], [1]))
            return worker.exit_code is not None

        wait_for_condition(has_ended, 50, 0.2)
        last = topics.handle(f"{prefix}_livedata_heartbeat").expect(where=lambda one: of in one.value.status_json, within_s=50)

    message = json.loads(last.value.status_json)["message"]
    assert (worker.exit_code, message["state"], f"{prefix}_{of}" in message["error"]) == (exit_codes.FAILED, "error", True)


def test_a_file_of_options_that_can_not_be_used_is_an_error_without_its_words(tmp_path: Path) -> None:
    config = tmp_path / "client.properties"
    config.write_text("sasl.password secret-word\n")

    with pytest.raises(SettingsError, match=r"client\.properties:1") as caught:
        broker(bootstrap="k:9092", client_config=config)

    assert "secret-word" not in str(caught.value)
