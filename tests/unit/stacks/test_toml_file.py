import signal
from pathlib import Path

import pytest

from testbeam.errors import StackError
from testbeam.kit.containers import engine
from testbeam.kit.probes.all_of import AllOf
from testbeam.kit.probes.command import CommandSucceeds
from testbeam.kit.probes.file import FileExists
from testbeam.kit.probes.http import HttpAnswers
from testbeam.kit.probes.listening import PortListens
from testbeam.kit.probes.log_line import LogLine
from testbeam.kit.probes.process import ProcessAlive
from testbeam.kit.spec import Port, Probe, Service
from testbeam.kit.stack import Stack
from testbeam.stacks.probes.ca_answers import CaAnswers
from testbeam.stacks.probes.heartbeat import Heartbeat
from testbeam.stacks.probes.topic_grows import TopicGrows
from testbeam.stacks.reference import light_chain
from testbeam.stacks.roles.broker.declaration import MetadataAnswers, TopicSpec, broker
from testbeam.stacks.roles.filewriter.declaration import filewriter
from testbeam.stacks.roles.ioc.declaration import ioc
from testbeam.stacks.toml.file import declared, find, load, parse, reference
from testbeam.stacks.topics import Topics

FILE = Path("/beamline/testbeam.toml")
EXAMPLE = Path(__file__).parents[3] / "examples" / "testbeam.toml"


@pytest.fixture(autouse=True)
def _no_container_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "has_image", lambda *_: False)


def only(text: str) -> Service:
    """Return the one service of a file."""
    (service,) = parse(text, FILE).stack.services
    return service


def test_the_example_is_the_reference_stack_of_python() -> None:
    declaration = load(EXAMPLE)

    assert declaration.stack == light_chain()
    assert declaration.fingerprint == reference().fingerprint
    assert (declaration.name, declaration.prefix, declaration.file) == ("reference", "tb", EXAMPLE)


def test_a_service_of_any_command_line_is_the_same_as_from_python() -> None:
    text = """
        [services.web]
        command = ["server", "--port", "${port.main}", "--upstream", "${store.tcp}"]
        needs = ["store"]
        ports = ["main", {name = "admin", fixed = 9001, hold = false}]
        env = {MODE = "test"}
        files = {"config-files/web.ini" = "port=${port.main}"}
        endpoints = {http = "${address}:${port.main}"}
        own_address = true
        ready = {probe = "http", url = "http://${address}:${port.main}/", status = 204}
        ready_timeout_s = 5
        stop_signal = "SIGINT"
        stop_timeout_s = 2.5
        prepare = [["make", "web"]]
        separate_stdout = true

        [services.store]
        external = true
        endpoints = {tcp = "localhost:6379"}
    """
    web = Service(
        "web",
        command=("server", "--port", "${port.main}", "--upstream", "${store.tcp}"),
        needs=("store",),
        ports=(Port(name="main"), Port(name="admin", fixed=9001, hold=False)),
        env={"MODE": "test"},
        files={"config-files/web.ini": "port=${port.main}"},
        endpoints={"http": "${address}:${port.main}"},
        own_address=True,
        ready=HttpAnswers("http://${address}:${port.main}/", status=204),
        ready_timeout_s=5.0,
        stop_signal=signal.SIGINT,
        stop_timeout_s=2.5,
        prepare=(("make", "web"),),
        separate_stdout=True,
    )

    assert parse(text, FILE).stack == Stack(web, Service("store", external=True, endpoints={"tcp": "localhost:6379"}))


@pytest.mark.parametrize(
    ("table", "probe"),
    [
        ('{probe = "process"}', ProcessAlive()),
        ('{probe = "port", port = "main"}', PortListens("main")),
        ('{probe = "http", url = "http://x/"}', HttpAnswers("http://x/")),
        ('{probe = "log", pattern = "up"}', LogLine("up")),
        ('{probe = "file", path = "ready"}', FileExists("ready")),
        ('{probe = "command", argv = ["check", "me"], timeout_s = 0.5}', CommandSucceeds(("check", "me"), 0.5)),
        ('{probe = "kafka"}', MetadataAnswers()),
        ('{probe = "ca", pv = "X:VOLT"}', CaAnswers("X:VOLT")),
        ('{probe = "topic", topic = "t", brokers = "b:1"}', TopicGrows(topic="t", brokers="b:1")),
        ('{probe = "heartbeat", topic = "t", brokers = "b:1"}', Heartbeat(topic="t", brokers="b:1")),
        ('[{probe = "file", path = "a"}, {probe = "log", pattern = "b"}]', AllOf((FileExists("a"), LogLine("b")))),
    ],
)
def test_every_probe_can_be_asked_for_by_name(table: str, probe: Probe) -> None:
    assert only(f'[services.a]\ncommand = ["a"]\nports = ["main"]\nendpoints = {{kafka = "b:1"}}\nready = {table}').ready == probe


def test_a_role_takes_its_parameters_from_the_table() -> None:
    text = """
        [services.broker]
        role = "broker"
        topics = ["a", {name = "b", partitions = 3}, {c = 2}]
        properties = {"log.retention.ms" = "5"}
        heap_mb = 512
    """
    same = broker(topics=("a", TopicSpec("b", partitions=3), {"c": 2}), properties={"log.retention.ms": "5"}, heap_mb=512)

    assert only(text) == same


def test_paths_begin_at_the_folder_of_the_file() -> None:
    service = only('[services.ioc]\nrole = "ioc"\ndb_files = ["db/motor.db,P=M1:", "/abs/x.db"]\nmacros = {R = "x"}')

    assert service == ioc("/beamline/db/motor.db,P=M1:", "/abs/x.db", macros={"R": "x"})
    assert only('[services.a]\ncommand = ["bin/my", "--data", "${here}/data"]').command == ("/beamline/bin/my", "--data", "/beamline/data")


def test_one_prefix_names_the_topics_of_all_roles() -> None:
    text = """
        [stack]
        prefix = "loki"
        topics = ["${prefix}_extra"]
        [services.broker]
        role = "broker"
        [services.filewriter]
        role = "filewriter"
    """
    topics = Topics(prefix="loki")

    stack = parse(text, FILE).stack

    assert stack == Stack(
        broker(topics=("loki_extra",)),
        filewriter(pool_topic=topics.pool, status_topic=topics.writer_status, control_topic=topics.control),
    )


def test_the_prefix_stands_in_any_text_and_two_dollars_keep_it_out() -> None:
    service = only('[stack]\nprefix = "loki"\n[services.a]\ncommand = ["a", "${prefix}_detector", "$${prefix}", "$(P)"]')

    assert service.command == ("a", "loki_detector", "$${prefix}", "$(P)")


def test_what_a_role_has_chosen_can_be_changed_and_its_variables_are_added_to() -> None:
    text = """
        [services.broker]
        role = "broker"
        [services.ioc]
        role = "ioc"
        [services.forwarder]
        role = "forwarder"
        ready_timeout_s = 99
        env = {EPICS_CA_MAX_ARRAY_BYTES = "1000"}
        needs = ["broker"]
    """

    forwarder = parse(text, FILE).stack.services[2]

    assert forwarder.ready_timeout_s == 99
    assert forwarder.env["EPICS_CA_MAX_ARRAY_BYTES"] == "1000"
    assert forwarder.env["EPICS_CA_AUTO_ADDR_LIST"] == "NO"
    assert forwarder.needs == ("broker", "ioc")


def test_a_service_may_run_in_a_container() -> None:
    text = """
        [services.redis]
        container = {image = "redis:7", engine = "/no/engine"}
        command = ["--port", "${port.main}"]
        env = {MODE = "test"}
        ports = ["main"]
        ready = {probe = "port", port = "main"}
    """

    service = only(text)

    assert service.command[:4] == ("/no/engine", "run", "--rm", "--init")
    assert service.command[-3:] == ("redis:7", "--port", "${port.main}")
    assert "MODE=test" in service.command
    assert not service.env
    assert service.prepare == (("/no/engine", "pull", "redis:7"),)


def test_a_folder_means_the_file_in_it(tmp_path: Path) -> None:
    (tmp_path / "testbeam.toml").write_text('[services.a]\ncommand = ["a"]')
    assert declared(tmp_path).file == tmp_path / "testbeam.toml"

    assert declared(tmp_path / "x" / ".." / "testbeam.toml").file == tmp_path / "testbeam.toml"

    (tmp_path / "empty one").mkdir()
    with pytest.raises(StackError, match=r"has no testbeam\.toml; make one there: testbeam init stack '.*/empty one'"):
        declared(tmp_path / "empty one")


def test_the_file_of_a_folder_above_is_found(tmp_path: Path) -> None:
    (tmp_path / "testbeam.toml").write_text('[services.a]\ncommand = ["a"]')
    below = tmp_path / "tests" / "unit"
    below.mkdir(parents=True)

    assert find(below) == tmp_path / "testbeam.toml"


def test_without_a_file_it_is_the_reference_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert declared().stack == light_chain()
    assert declared().file is None


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"nowhere\.toml can't be read: No such file"):
        declared(tmp_path / "nowhere.toml")


def test_a_file_that_is_no_text_says_where(tmp_path: Path) -> None:
    (tmp_path / "testbeam.toml").write_bytes(b"[services]\xff")

    with pytest.raises(StackError, match=r"not UTF-8 text .* at byte 10"):
        load(tmp_path / "testbeam.toml")
