from pathlib import Path

import pytest

from testbeam.errors import SettingsError, StackError
from testbeam.kit import template
from testbeam.kit.spec import Service
from testbeam.kit.stack import Stack
from testbeam.services.ioc import databases
from testbeam.stacks.probes.ca_answers import CaAnswers
from testbeam.stacks.probes.idle_status import IdleStatus
from testbeam.stacks.probes.topic_grows import TopicGrows
from testbeam.stacks.reference import light_chain
from testbeam.stacks.replacing import Replacement, apply, parse_replacements, replaced
from testbeam.stacks.roles.broker.declaration import broker
from testbeam.stacks.roles.filewriter.declaration import filewriter
from testbeam.stacks.roles.ioc.declaration import ioc


def program(path: Path, first_line: str = "#!/bin/sh") -> Path:
    """Make an executable file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{first_line}\n")
    path.chmod(0o755)
    return path


def of(stack: Stack, name: str) -> Service:
    return next(one for one in stack.services if one.name == name)


@pytest.fixture
def stack() -> Stack:
    return light_chain()


# --- file-writer ---


def test_a_build_folder_of_the_file_writer_gets_our_ini_file(stack: Stack, tmp_path: Path) -> None:
    binary = program(tmp_path / "bin" / "kafka-to-nexus")

    new = of(replaced(stack, "filewriter", local_build=tmp_path), "filewriter")

    assert new.command == (str(binary), "-c", "${config_dir}/${name}.ini")
    assert new.files == of(stack, "filewriter").files
    assert new.ready == IdleStatus()


def test_the_file_writer_s_ini_file_has_no_section() -> None:
    (text,) = filewriter().files.values()

    assert text.startswith("brokers=")
    assert "[" not in text


def test_the_binary_itself_will_do_and_finds_the_libraries_beside_it(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/mine")
    binary = program(tmp_path / "bin" / "kafka-to-nexus")
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "libhdf5.so").touch()

    new = of(replaced(stack, "filewriter", local_build=binary), "filewriter")

    assert new.command[0] == str(binary)
    assert new.env["LD_LIBRARY_PATH"] == f"{tmp_path / 'lib'}:/mine"


def test_a_command_gets_the_ini_file_unless_it_names_one(stack: Stack) -> None:
    plain = of(replaced(stack, "filewriter", command="sh -x"), "filewriter")
    own = of(replaced(stack, "filewriter", command="sh --config-file=mine.ini"), "filewriter")

    assert plain.command == ("sh", "-x", "-c", "${config_dir}/${name}.ini")
    assert own.command == ("sh", "--config-file=mine.ini")


def test_relative_paths_begin_at_the_folder_that_is_given(stack: Stack, tmp_path: Path) -> None:
    program(tmp_path / "build" / "bin" / "kafka-to-nexus")

    by_build = replaced(stack, "filewriter", local_build="build", here=tmp_path)
    by_command = replaced(stack, "filewriter", command="build/bin/kafka-to-nexus", here=tmp_path)

    assert of(by_build, "filewriter").command == of(by_command, "filewriter").command


# --- forwarder ---


def test_a_checkout_of_the_forwarder_runs_on_its_own_environment(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "forwarder_launch.py").touch()
    python = program(tmp_path / "venv" / "bin" / "python")

    for path in (tmp_path, tmp_path / "venv", tmp_path / "forwarder_launch.py"):
        new = of(replaced(stack, "forwarder", local_build=path), "forwarder")
        assert new.command == (str(python), str(tmp_path / "forwarder_launch.py"), "-c", "${config_dir}/${name}.ini")
        assert new.env == of(stack, "forwarder").env
        assert new.ready == IdleStatus()


def test_a_checkout_without_an_environment_runs_on_ours(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "forwarder_launch.py").touch()

    assert of(replaced(stack, "forwarder", local_build=tmp_path), "forwarder").command[0] == "${python}"


# --- IOC ---


def test_an_ioc_runs_by_its_st_cmd_isolated_on_an_address_of_its_own(stack: Stack, tmp_path: Path) -> None:
    binary = program(tmp_path / "bin" / "linux-x86_64" / "motor")
    start_up = tmp_path / "iocBoot" / "iocmotor" / "st.cmd"
    start_up.parent.mkdir(parents=True)
    start_up.write_text("#!../../bin/linux-x86_64/motor\niocInit\n")

    for path in (tmp_path, start_up.parent, start_up):
        new = of(replaced(stack, "ioc", local_build=path), "ioc")
        assert new.command[-2:] == (f"{start_up.parent}/../../bin/linux-x86_64/motor", "st.cmd")
        assert Path(new.command[-2]).samefile(binary)
        assert new.command[4] == str(start_up.parent)
        assert new.own_address
        assert new.env["EPICS_CAS_INTF_ADDR_LIST"] == "${address}"
        assert new.env["EPICS_CA_REPEATER_PORT"] == "${port.repeater}"
        assert dict(new.endpoints) | {"pva_search": "${address}:${port.pva_broadcast}"} == of(stack, "ioc").endpoints
        assert new.ready == CaAnswers()


def test_the_pv_that_readiness_was_asked_of_is_asked_of_theirs(tmp_path: Path) -> None:
    mine = program(tmp_path / "ioc")

    assert of(replaced(Stack(ioc(probe_pv="X:VOLT")), "ioc", local_build=mine), "ioc").ready == CaAnswers("X:VOLT")


def test_links_to_other_iocs_reach_them_from_a_local_build(tmp_path: Path) -> None:
    mine = program(tmp_path / "ioc")
    stack = Stack(ioc(name="first"), ioc(name="second", peers=("first",)))

    assert of(replaced(stack, "second", local_build=mine), "second").env["EPICS_CA_ADDR_LIST"] == "${address}:${port.ca} ${first.ca}"


def test_an_ioc_that_runs_elsewhere_has_its_ports_as_endpoints(stack: Stack) -> None:
    usual = of(replaced(stack, "ioc", external="ioc.lab"), "ioc")
    other = of(replaced(stack, "ioc", external="ioc.lab:6064"), "ioc")

    assert usual.external
    assert usual.endpoints == {"ca": "ioc.lab:5064", "pva": "ioc.lab:5075", "address": "ioc.lab"}
    assert other.endpoints["ca"] == "ioc.lab:6064"


# --- broker, event source, anything else ---


def kafka(folder: Path) -> Path:
    """Make what looks like an unpacked Kafka, and a Java beside it."""
    (folder / "libs").mkdir(parents=True)
    (folder / "libs" / "kafka_2.13-4.3.1.jar").touch()
    program(folder / "java" / "bin" / "java")
    return folder


def test_a_kafka_of_one_s_own_is_configured_as_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KAFKA_HOME", "JAVA_HOME"):
        monkeypatch.delenv(name, raising=False)
    home = kafka(tmp_path / "kafka")
    ours = broker(topics=("a",), properties={"x.y": "1"}, faultable=True)
    wanted = broker(topics=("a",), properties={"x.y": "1"}, faultable=True, kafka_home=home)

    (new,) = replaced(Stack(ours), "broker", local_build=home).services

    assert sorted(new.command) == sorted(wanted.command)
    assert new.configured(command=wanted.command) == wanted


def test_a_broker_that_runs_keeps_the_topics_that_are_declared() -> None:
    stack = replaced(Stack(broker(topics=("a",))), "broker", external="k1:9092,k2:9092")

    assert stack == Stack(broker(topics=("a",), bootstrap="k1:9092,k2:9092"))


def test_an_event_source_of_one_s_own_is_ready_when_the_detector_s_topic_grows(stack: Stack) -> None:
    new = of(replaced(stack, "event_source", command="sh -c 'send ${broker.kafka}'"), "event_source")

    assert new.command == ("sh", "-c", "send ${broker.kafka}")
    assert new.ready == TopicGrows(topic="tb_detector", brokers="${broker.kafka}")


def test_any_other_service_is_replaced_by_its_name_and_keeps_its_probe() -> None:
    stack = Stack(Service("web", command=("true",), env={"A": "1"}, endpoints={"http": "x:1"}))

    by_command = of(replaced(stack, "web", command=("sh", "-c", "serve")), "web")
    elsewhere = of(replaced(stack, "web", external="h:80"), "web")

    assert (by_command.command, by_command.env) == (("sh", "-c", "serve"), {"A": "1"})
    assert (elsewhere.external, elsewhere.endpoints) == (True, {"http": "h:80"})


def test_a_name_replaces_one_service_and_a_role_all_of_it(tmp_path: Path) -> None:
    stack = Stack(broker(), filewriter(), filewriter(name="second"))

    one = replaced(stack, "second", command="sh")
    both = replaced(Stack(broker(), filewriter(name="first"), filewriter(name="second")), "filewriter", command="sh")

    assert [service.command[0] for service in one.services[1:]] == ["${python}", "sh"]
    assert [service.command[0] for service in both.services[1:]] == ["sh", "sh"]


def test_brokers_come_first_so_that_what_works_with_an_external_one_fits() -> None:
    words = parse_replacements(external=["filewriter=k:9092", "broker=k:9092"])

    stack = apply(Stack(broker(), filewriter()), words)

    assert all(one.external for one in stack.services)
    assert of(stack, "filewriter").ready == IdleStatus()


# --- what is not there ---


def test_what_does_not_exist_is_named_with_what_is_expected(stack: Stack, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    for role, expected in {
        "filewriter": "bin/kafka-to-nexus",
        "forwarder": "forwarder_launch.py",
        "ioc": "st.cmd",
        "broker": "unpacked Kafka",
        "event_source": "the path of a program",
    }.items():
        with pytest.raises(StackError, match=rf"^{role} '{role}': there is no {nowhere}; give .*{expected}"):
            replaced(stack, role, local_build=nowhere)


def test_an_empty_folder_is_named_with_what_should_be_in_it(stack: Stack, tmp_path: Path) -> None:
    for role, expected in {
        "filewriter": "there is no bin/kafka-to-nexus or kafka-to-nexus in",
        "forwarder": "there is no forwarder_launch.py in",
        "ioc": "there is no st.cmd and no iocBoot",
        "broker": "there are no Kafka jars in",
    }.items():
        with pytest.raises(StackError, match=expected):
            replaced(stack, role, local_build=tmp_path)


def test_what_is_not_executable_is_named_with_the_way_out(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "kafka-to-nexus").touch()

    with pytest.raises(StackError, match=r"kafka-to-nexus is not executable; chmod \+x it"):
        replaced(stack, "filewriter", local_build=tmp_path)


def test_an_st_cmd_without_its_program_says_so(stack: Stack, tmp_path: Path) -> None:
    start_up = tmp_path / "st.cmd"
    start_up.write_text("iocInit\n")
    with pytest.raises(StackError, match=r"st\.cmd does not begin with \"#!\" and the IOC's program"):
        replaced(stack, "ioc", local_build=start_up)

    start_up.write_text("#!bin/nowhere\n")
    with pytest.raises(StackError, match=r"runs on .*/bin/nowhere, which is not there; build the IOC"):
        replaced(stack, "ioc", local_build=start_up)


def test_several_iocs_in_one_top_folder_are_listed(stack: Stack, tmp_path: Path) -> None:
    for name in ("a", "b"):
        program(tmp_path / "iocBoot" / name / "st.cmd")

    with pytest.raises(StackError, match=r"several IOCs .*iocBoot/a/st\.cmd, .*iocBoot/b/st\.cmd"):
        replaced(stack, "ioc", local_build=tmp_path)


def test_a_role_that_is_not_there_comes_with_what_is_near(stack: Stack) -> None:
    with pytest.raises(StackError, match=r"no role or service 'filewritr' in this stack; did you mean filewriter"):
        replaced(stack, "filewritr", command="sh")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("", "the command is empty"),
        ("no-such-program-here -x", "there is no program 'no-such-program-here' in PATH"),
        ("/no/such/program", "there is no /no/such/program"),
        ('sh "', "can't be read: No closing quotation"),
    ],
)
def test_a_command_that_can_t_be_run_is_refused_before_anything_starts(stack: Stack, command: str, message: str) -> None:
    with pytest.raises(StackError, match=message):
        replaced(stack, "filewriter", command=command)


def test_a_file_writer_on_another_kafka_is_refused_with_the_way_out(stack: Stack) -> None:
    with pytest.raises(StackError, match=r"works with the Kafka at k:9092, .*--external broker=k:9092"):
        replaced(stack, "filewriter", external="k:9092")


@pytest.mark.parametrize("where", ["", "host:", ":9092", "host:x", "host:99999"])
def test_an_address_of_another_form_is_refused(stack: Stack, where: str) -> None:
    for role in ("filewriter", "ioc", "broker"):
        with pytest.raises(StackError, match="HOST"):
            replaced(stack, role, external=where)


def test_exactly_one_thing_takes_the_place_of_a_role(stack: Stack) -> None:
    with pytest.raises(StackError, match="give one of local_build, command, external; got none"):
        replaced(stack, "ioc")
    with pytest.raises(StackError, match="got local_build, external"):
        replaced(stack, "ioc", local_build="x", external="y")


# --- the words of the command line ---


def test_words_of_the_command_line_are_role_and_value() -> None:
    assert parse_replacements(["filewriter=/a=b"], ["ioc=softIoc -d x.db"], ["broker=k:9092"]) == (
        Replacement(role="filewriter", kind="local_build", value="/a=b"),
        Replacement(role="ioc", kind="command", value="softIoc -d x.db"),
        Replacement(role="broker", kind="external", value="k:9092"),
    )


def test_a_command_about_one_role_takes_the_value_alone() -> None:
    for word in ("/build", "filewriter=/build"):
        assert parse_replacements([word], role="filewriter") == (Replacement(role="filewriter", kind="local_build", value="/build"),)
    assert parse_replacements(command=["LOG=x run"], role="ioc")[0].value == "LOG=x run"


@pytest.mark.parametrize("word", ["filewriter", "=x", "filewriter=", "filewriter= "])
def test_a_word_of_another_form_is_refused_with_the_form(word: str) -> None:
    with pytest.raises(SettingsError, match=r"--local-build: .* can't be used; give it as ROLE=PATH"):
        parse_replacements([word])


def test_a_role_is_given_once() -> None:
    with pytest.raises(SettingsError, match=r"--external: .*; give ioc only once; it is given to '/x' already"):
        parse_replacements(["ioc=/x"], external=["ioc=h:1"])


@pytest.mark.parametrize(
    ("first_line", "words"),
    [
        ("#!/usr/bin/env sh", ("/usr/bin/env", "sh", "st.cmd")),
        ("#! /bin/sh", ("/bin/sh", "st.cmd")),
        ("#!/usr/bin/env -S sh -x ", ("/usr/bin/env", "-S sh -x", "st.cmd")),  # the kernel passes the rest as one argument
    ],
)
def test_the_first_line_of_an_st_cmd_is_read_as_the_kernel_reads_it(
    stack: Stack, tmp_path: Path, first_line: str, words: tuple[str, ...]
) -> None:
    start_up = program(tmp_path / "st.cmd", first_line)

    new = of(replaced(stack, "ioc", local_build=start_up), "ioc")

    assert new.command[-len(words) :] == words


def test_a_database_below_a_folder_with_a_comma_or_a_dollar_is_one_path(tmp_path: Path) -> None:
    folder = tmp_path / "a, b" / "${name}"
    folder.mkdir(parents=True)
    database = folder / "x.db"
    database.touch()

    for given in (database, str(database)):
        words = ioc(given).command
        entry = template.fill(words[words.index("--db") + 1], {}, "command")
        assert databases.parse((entry,), ()) == (databases.Database(path=database),)
    assert any(word.endswith("/x.db,P=M1:") for word in ioc("x.db,P=M1:").command)
