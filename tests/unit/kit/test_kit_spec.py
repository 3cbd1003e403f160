import pickle

import pytest

from testbeam.errors import StackError
from testbeam.kit.handle import Handle, handle_class
from testbeam.kit.named import Named
from testbeam.kit.probes.all_of import all_of
from testbeam.kit.probes.command import CommandSucceeds
from testbeam.kit.probes.file import FileExists
from testbeam.kit.probes.http import HttpAnswers
from testbeam.kit.probes.listening import PortListens
from testbeam.kit.probes.log_line import LogLine
from testbeam.kit.spec import Port, Probe, Service
from testbeam.kit.stack import Stack
from testbeam.stacks.probes.topic_grows import TopicGrows
from testbeam.stacks.roles.broker.probes import MetadataAnswers


def service(name: str, *needs: str, **fields: object) -> Service:
    return Service(name, command=("true",), needs=needs, **fields)  # type: ignore[arg-type]


def test_a_stack_keeps_its_services_in_the_order_in_which_they_were_given() -> None:
    assert [one.name for one in Stack(service("b", "a"), service("a")).services] == ["b", "a"]


def test_a_prompt_shows_a_stack_and_a_run_by_their_services() -> None:
    stack = Stack(service("a"), service("b", "a"))

    assert repr(stack) == "Stack(a, b)"
    assert repr(stack.run()) == "<Run: not started>"


def test_two_equal_declarations_are_equal() -> None:
    assert Stack(service("a", env={"X": "1"})) == Stack(service("a", env={"X": "1"}))
    assert pickle.loads(pickle.dumps(service("a"))) == service("a")


def test_a_circle_of_needs_is_named_in_the_direction_of_the_needs() -> None:
    with pytest.raises(StackError, match=r"circle: (a → b → c → a|b → c → a → b|c → a → b → c); take one"):
        Stack(service("a", "b"), service("b", "c"), service("c", "a"))


def test_a_service_that_needs_itself_is_a_circle() -> None:
    with pytest.raises(StackError, match="circle: a → a"):
        Stack(service("a", "a"))


def test_an_unknown_need_comes_with_what_is_near() -> None:
    with pytest.raises(StackError, match=r"'forwarder' needs 'brokr', which is not in the stack; did you mean broker\?"):
        Stack(service("broker"), service("forwarder", "brokr"))


def test_an_unknown_need_that_is_near_nothing_comes_with_all_there_is() -> None:
    with pytest.raises(StackError, match="add it, or name one of: ioc, simulator"):
        Stack(service("ioc"), service("simulator"), service("forwarder", "xyz"))


def test_a_doubled_name_is_refused() -> None:
    with pytest.raises(StackError, match=r"two services are called 'ioc'.*configured"):
        Stack(service("ioc"), service("ioc"))


@pytest.mark.parametrize("name", ["", "a b", "a.b", "../x", "log", "config-files", "-x", "é"])
def test_a_name_that_can_be_no_folder_is_refused(name: str) -> None:
    with pytest.raises(StackError, match="service name"):
        service(name)


def test_an_empty_command_is_refused_with_the_ways_out() -> None:
    with pytest.raises(StackError, match=r"'x' has an empty command; give command=\(…\), or external=True"):
        Service("x")


@pytest.mark.parametrize("time_s", [float("nan"), float("inf"), -1.0])
@pytest.mark.parametrize("word", ["ready_timeout_s", "stop_timeout_s", "alive_timeout_s"])
def test_a_time_out_that_is_no_time_is_refused(word: str, time_s: float) -> None:
    with pytest.raises(StackError, match=rf"'x': {word}={time_s!r} can't be used; give a number of seconds"):
        service("x", **{word: time_s})


def test_a_service_that_runs_already_has_no_command() -> None:
    assert Service("x", external=True).command == ()
    with pytest.raises(StackError, match="leave command out"):
        Service("x", external=True, command=("true",))


def test_a_word_of_a_command_that_is_no_text_is_refused() -> None:
    with pytest.raises(StackError, match="every word of a command must be text"):
        Service("x", command=("sleep", 1))  # type: ignore[arg-type]


def test_a_doubled_port_is_refused() -> None:
    with pytest.raises(StackError, match="declares a port twice"):
        service("x", ports=(Port(name="web"), Port(name="web")))


@pytest.mark.parametrize("path", ["/etc/passwd", "../other/x.ini", "config-files/../../x"])
def test_a_file_outside_the_runs_folder_is_refused(path: str) -> None:
    with pytest.raises(StackError, match="outside the run's folder"):
        service("x", files={path: ""})


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"env": {"A": "${port.wbe}"}}, r"env A: \$\{port.wbe\} is not known; did you mean port.web\?"),
        ({"files": {"config-files/x.ini": "${dirr}"}}, "file config-files/x.ini: .*did you mean dir"),
        ({"endpoints": {"web": "${adress}"}}, "endpoint web: .*did you mean address"),
        ({"prepare": (("x", "${pyhton}"),)}, "prepare: .*did you mean python"),
    ],
)
def test_a_template_that_asks_for_what_will_not_be_there_is_refused_before_anything_starts(fields: dict[str, object], where: str) -> None:
    with pytest.raises(StackError, match=where):
        Stack(service("x", ports=(Port(name="web"),), **fields))


@pytest.mark.parametrize("word", ["ready", "alive"])
@pytest.mark.parametrize(
    ("probe", "problem"),
    [
        (PortListens("tpc"), r"'tpc' is neither a port of it nor host:port; did you mean tcp\?"),
        (PortListens("localhost:http"), "neither a port of it nor host:port"),
        (PortListens("${adress}:80"), r"\$\{adress\} is not known; did you mean address\?"),
        (HttpAnswers("http://${adress}:${port.tcp}/"), r"\$\{adress\} is not known; did you mean address\?"),
        (HttpAnswers("${address}:${port.tcp}/health"), r"is no URL; give one such as http://\$\{address\}:\$\{port.tcp\}/"),
        (HttpAnswers("localhost:80"), "'localhost:80' is no URL"),
        (HttpAnswers("${db.sql}/health"), r"'\$\{db.sql\}/health' is no URL"),
        (FileExists("${drr}/there"), "did you mean dir"),
        (CommandSucceeds(("ask", "${pyhton}")), "did you mean python"),
        (all_of(PortListens("tcp"), PortListens("tpc")), "did you mean tcp"),
        (MetadataAnswers(), "add kafka to its endpoints"),
        (TopicGrows(topic="x", brokers="${brokr.kafka}"), r"\$\{brokr.kafka\} is not known"),
    ],
)
def test_a_probe_that_asks_for_what_will_not_be_there_is_refused_before_anything_starts(word: str, probe: Probe, problem: str) -> None:
    db = service("db", endpoints={"sql": "${address}:1"})
    with pytest.raises(StackError, match=f"^service 'x' {word}: .*{problem}"):
        Stack(db, service("x", "db", ports=(Port(name="tcp"),), **{word: probe}))


@pytest.mark.parametrize(
    "probe",
    [
        PortListens("tcp"),
        PortListens("web"),
        PortListens("${db.sql}"),
        PortListens("[::1]:80"),
        PortListens("${address}:${port.tcp}"),
        HttpAnswers("https://localhost/"),
        HttpAnswers("${db.web}/health"),
        LogLine("^${not a template}$"),
    ],
)
def test_a_probe_that_asks_for_what_is_declared_is_taken(probe: Probe) -> None:
    db = service("db", endpoints={"sql": "${address}:1", "web": "http://${address}:2"})
    Stack(db, service("x", "db", ports=(Port(name="tcp"),), endpoints={"web": "${address}:1"}, ready=probe))


def test_an_endpoint_of_a_service_that_is_not_there_says_so() -> None:
    with pytest.raises(StackError, match=r"\$\{broker.kafka\} asks for a service 'broker', which is not in the stack; add it"):
        Stack(service("writer", env={"BROKER": "${broker.kafka}"}))


def test_an_endpoint_of_a_service_that_is_not_needed_is_refused_with_the_way_out() -> None:
    broker = service("broker", endpoints={"kafka": "127.0.0.1:9092"})
    with pytest.raises(StackError, match=r"\$\{broker.kafka\} is the endpoint of a service .*; add 'broker' to its needs"):
        Stack(broker, service("writer", env={"BROKER": "${broker.kafka}"}))
    Stack(broker, service("writer", "broker", env={"BROKER": "${broker.kafka}"}))


def test_configured_changes_fields_and_leaves_the_first_as_it_was() -> None:
    first = service("writer")
    second = first.configured(name="other", env={"A": "1"})

    assert (first.name, first.env) == ("writer", {})
    assert (second.name, second.env, second.command) == ("other", {"A": "1"}, ("true",))


def test_configured_hands_further_words_to_the_role() -> None:
    def configure(service: Service, words: object) -> Service:
        return service.configured(options={"words": words})

    assert service("writer", configure=configure).configured(ini="x", name="w").options == {"words": {"ini": "x"}}


def test_configured_by_a_word_that_nobody_knows_is_refused_with_what_is_near() -> None:
    with pytest.raises(StackError, match="'writer' can't be configured by 'commnd'; did you mean command"):
        service("writer").configured(commnd=("x",))


def test_a_service_gives_a_plain_handle_unless_its_role_has_one() -> None:
    class Own(Handle):
        pass

    assert handle_class(service("a")) is Handle
    assert handle_class(service("a", handle=Own)) is Own


def test_a_handle_of_another_make_is_refused() -> None:
    with pytest.raises(StackError, match=r"service 'a': handle=dict is no subclass of testbeam\.kit\.handle\.Handle"):
        handle_class(service("a", handle=dict))


def test_a_value_of_another_name_is_told_with_what_is_near() -> None:
    ports = Named("ports of service 'web':", {"http": 80})

    assert (ports["http"], ports.get("x"), "x" in ports, ports) == (80, None, False, {"http": 80})
    with pytest.raises(StackError, match=r"ports of service 'web': there is no 'htp'; did you mean http\?"):
        ports["htp"]
