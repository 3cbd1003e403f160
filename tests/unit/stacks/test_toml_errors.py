"""What is wrong in a testbeam.toml is said with file, key and cause."""

from pathlib import Path

import pytest

from testbeam.errors import StackError
from testbeam.stacks.toml.file import parse

FILE = Path("/beamline/testbeam.toml")
A = '[services.a]\ncommand = ["a"]\n'
B = '[services.broker]\nrole = "broker"\n'
W = '[services.writer]\nrole = "filewriter"\n'

CASES = {
    "a syntax error has its line": ('[services.a]\ncommand = ["a"', r"this is not TOML: .*\(at (line 2|end of document)"),
    "a table of another name": ("[service.a]\ncommand = []", r"service: there is no such table; did you mean services\?"),
    "no service": ('[stack]\nname = "x"', r"services: there is no service"),
    "a table within the stack": ('[stack.env_names]\nX = "y"', r"stack\.env_names: this is a table of its own; write \[env_names\]"),
    "an unknown key of the stack": ('[stack]\nprefx = "x"', r"stack\.prefx: there is no such key; did you mean prefix\?"),
    "a prefix that begins no topic": ('[stack]\nprefix = "a b"\n' + A, r"stack\.prefix: 'a b' can't begin a topic"),
    "an unknown role": ('[services.b]\nrole = "brokr"', r"services\.b\.role: there is no role 'brokr'; did you mean broker\?"),
    "a role that is no text": ("[services.b]\nrole = 3", r"services\.b\.role: 3 is a whole number; give text in quotes"),
    "an unknown parameter": (B + "topcs = []", r"services\.broker\.topcs: the role has no such parameter; did you mean topics"),
    "a number as text": (B + 'heap_mb = "big"', r"services\.broker\.heap_mb: 'big' is text; give a whole number"),
    "true as a number": (B + "heap_mb = true", r"services\.broker\.heap_mb: True is true or false; give a whole number"),
    "a wrong type deep within": (B + 'properties = {"a.b" = 3}', r'services\.broker\.properties\."a\.b": 3 is a whole number; give text'),
    "an unknown key deep within": (
        B + 'topics = ["a", {name = "b", partitons = 1}]',
        r"services\.broker\.topics\[1\]\.partitons: .*partitions\?",
    ),
    "a text where a list is wanted": (
        '[services.a]\ncommand = "a b"',
        r"services\.a\.command: 'a b' is text; give a list in \[ \], each text",
    ),
    "a wrong entry of a list": ('[services.a]\ncommand = ["a", 3]', r"services\.a\.command\[1\]: 3 is a whole number; give text"),
    "an unknown key": (A + "nedes = []", r"services\.a\.nedes: there is no such key; did you mean needs"),
    "nothing to run": ("[services.a]\nneeds = []", r'services\.a: it has neither role = "…", nor command'),
    "no table": ("services.a = 3", r"services\.a: 3 is a whole number; give a table, \[services\.a\]"),
    "services as a list": ("services = []", r"services: \[\] is a list; give tables"),
    "an unknown probe": (A + 'ready = {probe = "prt"}', r"services\.a\.ready\.probe: 'prt' is no probe; did you mean port\?"),
    "a pattern that is none": (A + 'ready = {probe = "log", pattern = "("}', r"services\.a\.ready: log probe .* is no regular expression"),
    "no probe": (A + 'ready = {port = "x"}', r"services\.a\.ready: the key probe is missing; .* process, port, http"),
    "an unknown key of a probe": (A + 'ready = {probe = "http", ul = "x"}', r"services\.a\.ready\.ul: .* did you mean url\?"),
    "a missing key of a probe": (A + 'ready = {probe = "http"}', r"services\.a\.ready: url is missing; give text in quotes"),
    "a wrong probe in a list": (A + 'ready = [{probe = "process"}, {probe = "lgo"}]', r"services\.a\.ready\[1\]\.probe: 'lgo' is no probe"),
    "a port that it has not": (A + 'ready = {probe = "port", port = "tpc"}\nports = ["tcp"]', r"services\.a\.ready: .* did you mean tcp\?"),
    "alive at a port that it has not": (A + 'alive = {probe = "port", port = "web"}', r"services\.a\.alive: .* neither a port of it"),
    "no URL": (A + 'ready = {probe = "http", url = "localhost:80"}', r"services\.a\.ready: .* 'localhost:80' is no URL"),
    "a role without the broker that it needs": (
        W,
        r'services\.writer\.needs: .* needs .broker., which is not in the stack; add it: \[services\.broker\] with role = "broker"',
    ),
    "an unknown signal": (A + 'stop_signal = "SIGTRM"', r"services\.a\.stop_signal: 'SIGTRM' is no signal; .* did you mean SIGTERM"),
    "no time": (A + "ready_timeout_s = 0", r"services\.a\.ready_timeout_s: 0 is no time; give a number of seconds above 0"),
    "time that is no number": (A + "ready_timeout_s = nan", r"services\.a\.ready_timeout_s: nan is no time; give a number of seconds"),
    "time without an end": (A + "ready_timeout_s = inf", r"services\.a\.ready_timeout_s: inf is no time; give a number of seconds"),
    "a Kafka that is not there": (B + 'kafka_home = "no"', r"services\.broker: KAFKA_HOME: '/beamline/no' can't be used"),
    "a wrong port": (A + "ports = [1]", r"services\.a\.ports\[0\]: 1 is a whole number; give the name of the port"),
    "a name that can't be used": ('[services."a b"]\ncommand = ["a"]', r'services\."a b": service name .a b. can\'t be used'),
    "an unknown need": (A + 'needs = ["brokr"]\n' + B, r"services\.a\.needs: service 'a' needs 'brokr', .* did you mean broker\?"),
    "a circle": (A + 'needs = ["b"]\n[services.b]\ncommand = ["b"]\nneeds = ["a"]', r"services\.\w\.needs: the needs go in a circle: .*→"),
    "an unknown template": ('[services.a]\ncommand = ["a", "${port.web}"]', r"services\.a: .*\$\{port\.web\} is not known"),
    "a build that is not there": (
        B + W + 'local_build = "no"',
        r"services\.writer\.local_build: .*there is no /beamline/no; give the folder",
    ),
    "two in one place": (B + W + 'local_build = "x"\ncommand = "y"', r"services\.writer\.command: local_build is given as well"),
    "another Kafka": (B + W + 'external = "k:9092"', r"services\.writer\.external: .*the Kafka at k:9092.*--external broker=k:9092"),
    "a container of another kind": (
        "[services.a]\ncontainer = 3",
        r"services\.a\.container: 3 is a whole number; give the name of an image",
    ),
    "a container without image": ('[services.a]\ncontainer = {engine = "/no"}', r"services\.a\.container: image is missing"),
    "an unknown key of a container": (
        '[services.a]\ncontainer = {engine = "/no", image = "x", netwrk = "host"}',
        r"services\.a\.container\.netwrk: .* did you mean network",
    ),
    "a wrong word of a container": (
        '[services.a]\ncontainer = {engine = "/no", image = "x", network = "none"}',
        r"services\.a\.container\.network: 'none' is text; give 'bridge' or 'host'",
    ),
}


def test_a_script_that_lies_beside_the_file_is_not_looked_for_there(tmp_path: Path) -> None:
    (tmp_path / "processor.py").touch()
    for words, index in (('"python3", "processor.py"', 1), ('"${python}", "-u", "processor.py"', 2)):
        with pytest.raises(StackError, match=rf'services\.a\.command\[{index}\]: .* write "\$\{{here\}}/processor\.py"'):
            parse(f"[services.a]\ncommand = [{words}]", tmp_path / "testbeam.toml")
    for words in ('"python3", "-m", "processor.py"', '"tail", "processor.py"', '"python3", "${here}/processor.py"'):
        parse(f"[services.a]\ncommand = [{words}]", tmp_path / "testbeam.toml")


@pytest.mark.parametrize(("text", "message"), CASES.values(), ids=CASES.keys())
def test_the_file_the_key_and_the_cause_are_named(text: str, message: str) -> None:
    with pytest.raises(StackError, match=rf"^/beamline/testbeam\.toml: {message}"):
        parse(text, FILE)
