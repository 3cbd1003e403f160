import inspect
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from testbeam.errors import StackError
from testbeam.kit.handle import handle_class
from testbeam.kit.spec import Service
from testbeam.kit.stack import Stack
from testbeam.stacks.replacing import replaced
from testbeam.stacks.roles import registry
from testbeam.stacks.roles.broker.declaration import TopicSpec, broker
from testbeam.stacks.roles.broker.handle import topics_of
from testbeam.stacks.roles.filewriter.declaration import filewriter
from testbeam.stacks.roles.role import Role
from testbeam.stacks.toml.file import parse

FILE = Path("/x/testbeam.toml")
MODULE = """
from dataclasses import replace
from types import SimpleNamespace
from testbeam.errors import StackError
from testbeam.kit.handle import Handle
from testbeam.kit.handle import handle_class
from testbeam.kit.spec import Service
from testbeam.stacks.roles.role import Role

class ChopperHandle(Handle):
    pass

def declare(*, name="chopper", broker="broker", speed_hz: float = 14.0, speed_topic="tb_chopper_speed"):
    words = ("chopper", str(speed_hz), speed_topic)
    return Service(name, command=words, needs=(broker,), handle=ChopperHandle, options={"topics": (speed_topic,)})

def local_build(service, path):
    if not path.is_dir():
        raise StackError(f"there is no {path}; give the folder of a chopper's build")
    return replace(service, command=(str(path / "chopperd"), *service.command[1:]))

def command(service, words):
    return replace(service, command=(*words, "--for-choppers"))

def external(service, where):
    return replace(service, command=(), external=True, needs=(), endpoints={"tcp": where})

RULES = SimpleNamespace(local_build=local_build, command=command, external=external)
CHOPPER = Role(name="chopper", declare=declare, handle=ChopperHandle, topics={"speed_topic": "chopper_speed"}, replacement=RULES)
BROKER = Role(name="broker", declare=declare)
SILENT = Role(name="silent", declare=lambda name: None)
FAILING = Role(name="failing", declare=lambda name: 1 / 0)
FORGETFUL = Role(name="forgetful", declare=lambda name, a_topic: Service(name, command=("x",)), topics={"a_topic": "a"})
OF_ANOTHER_HANDLE = Role(name="of_another_handle", declare=lambda name: Service(name, command=("x",)), handle=ChopperHandle)
number = 3
"""


@pytest.fixture
def offer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Install a package of this test's own that offers roles."""

    def install(*entries: str, name: str = "acme-beamline", module: str = MODULE) -> None:
        folder = tmp_path / name
        info = folder / f"{name.replace('-', '_')}-1.2.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text("[testbeam.roles]\n" + "\n".join(entries) + "\n")
        (folder / f"{name.replace('-', '_')}.py").write_text(module)
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.delitem(__import__("sys").modules, name.replace("-", "_"), raising=False)
        forget()

    def forget() -> None:
        registry._offered.cache_clear()
        registry._load.cache_clear()

    forget()
    yield install
    forget()


def of(stack: Stack, name: str) -> Service:
    return next(one for one in stack.services if one.name == name)


# --- ours ---


def test_our_roles_are_entry_points_like_all_others() -> None:
    assert {"broker", "ioc", "forwarder", "filewriter", "event_source"} <= set(registry.names())
    for name in registry.names():
        assert registry.role(name).name == name


def test_a_role_of_ours_says_its_topics_as_its_declaration_has_them() -> None:
    for name in registry.names():
        role = registry.role(name)
        for parameter, topic in role.topic_arguments("tb").items():
            default = inspect.signature(role.declare).parameters[parameter].default
            assert default in (topic, ""), f"{name}: {parameter} is {default!r} in Python, and {topic!r} from a file"


# --- those of another package ---


def test_another_package_brings_a_role_with_its_topics(offer: Callable[..., None]) -> None:
    offer("chopper = acme_beamline:CHOPPER")

    text = '[stack]\nprefix = "loki"\n[services.broker]\nrole = "broker"\n[services.c1]\nrole = "chopper"\nspeed_hz = 28'
    stack = parse(text, FILE).stack

    assert "chopper" in registry.names()
    chopper = of(stack, "c1")
    assert (chopper.role, handle_class(chopper).__name__) == ("chopper", "ChopperHandle")
    assert chopper.command == ("chopper", "28.0", "loki_chopper_speed")
    assert topics_of(of(stack, "broker"), stack.services) == (TopicSpec("loki_chopper_speed"),)


def test_another_package_brings_its_own_rules_of_replacement(offer: Callable[..., None], tmp_path: Path) -> None:
    offer("chopper = acme_beamline:CHOPPER")
    stack = parse('[services.broker]\nrole = "broker"\n[services.c1]\nrole = "chopper"', FILE).stack

    by_build = of(replaced(stack, "chopper", local_build=tmp_path), "c1")
    by_command = of(replaced(stack, "c1", command="sh -x"), "c1")
    elsewhere = of(replaced(stack, "chopper", external="chopper.lab:80"), "c1")

    assert by_build.command == (f"{tmp_path}/chopperd", "14.0", "tb_chopper_speed")
    assert by_command.command == ("sh", "-x", "--for-choppers")
    assert (elsewhere.external, elsewhere.endpoints) == (True, {"tcp": "chopper.lab:80"})
    with pytest.raises(StackError, match=r"^chopper 'c1': there is no /nowhere; give the folder of a chopper's build"):
        replaced(stack, "chopper", local_build="/nowhere")


def test_a_file_replaces_a_role_of_another_package(offer: Callable[..., None]) -> None:
    offer("chopper = acme_beamline:CHOPPER")

    stack = parse('[services.broker]\nrole = "broker"\n[services.c1]\nrole = "chopper"\nexternal = "h:80"', FILE).stack

    assert of(stack, "c1").endpoints == {"tcp": "h:80"}


def test_an_unknown_role_comes_with_what_is_near(offer: Callable[..., None]) -> None:
    offer("chopper = acme_beamline:CHOPPER")

    with pytest.raises(StackError, match=r"no role 'choper'; did you mean chopper"):
        registry.role("choper")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            "chopper = acme_nowhere:CHOPPER",
            r"of acme-beamline 1\.2 \(acme_nowhere:CHOPPER\) can't be loaded: ModuleNotFound",
        ),
        ("number = acme_beamline:number", r"role 'number' of acme-beamline 1\.2 .* is int, and has to be a testbeam\.Role"),
        ("function = acme_beamline:declare", r"acme-beamline 1\.2 .* is function, and has to be a testbeam\.Role"),
        ("other = acme_beamline:CHOPPER", r"role 'other' of acme-beamline 1\.2 .* calls itself 'chopper'"),
    ],
)
def test_an_entry_point_that_is_no_role_names_its_package(offer: Callable[..., None], entry: str, message: str) -> None:
    offer(entry)

    with pytest.raises(StackError, match=message):
        registry.role(entry.partition(" ")[0])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("silent", r"role 'silent' of acme-beamline 1\.2 .* returned NoneType, not a testbeam\.Service"),
        ("failing", r"role 'failing' of acme-beamline 1\.2 .* failed: ZeroDivisionError"),
        ("forgetful", r"returned a service that does not list the topic of a_topic in its options\[\"topics\"\]"),
        ("of_another_handle", r"returned a service whose handle is Handle, not ChopperHandle"),
    ],
)
def test_a_declaration_that_fails_names_its_package(offer: Callable[..., None], name: str, message: str) -> None:
    offer(f"{name} = acme_beamline:{name.upper()}")

    with pytest.raises(StackError, match=rf"services\.s: .*{message}"):
        parse(f'[services.s]\nrole = "{name}"', FILE)


def test_two_packages_with_one_role_are_both_named(offer: Callable[..., None]) -> None:
    offer("chopper = acme_beamline:CHOPPER")
    offer("chopper = other_beamline:CHOPPER", name="other-beamline")

    with pytest.raises(StackError, match=r"offered by \S+-beamline 1\.2 .* and by \S+-beamline 1\.2"):
        registry.role("chopper")


def test_nobody_takes_the_place_of_our_roles_in_silence(offer: Callable[..., None]) -> None:
    offer("broker = acme_beamline:BROKER")

    with pytest.raises(StackError, match=r"role 'broker' is offered by .*acme-beamline 1\.2"):
        registry.role("broker")


def test_a_role_that_does_not_fit_is_refused_when_it_is_loaded(offer: Callable[..., None]) -> None:
    offer("chopper = acme_beamline:CHOPPER", module=MODULE.replace('"speed_topic": "chopper_speed"', '"sped_topic": "chopper_speed"'))

    with pytest.raises(
        StackError, match=r"role 'chopper': topics names the parameter 'sped_topic', which declare does not take .* \(acme-beamline 1\.2"
    ):
        registry.role("chopper")


# --- what a Role itself refuses ---


def declare(*, name: str = "x", a_topic: str = "tb_a") -> Service:
    return Service(name, command=("x",), options={"topics": (a_topic,)})


class NoRules:
    def local_build(self, service: Service) -> Service:
        return service


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "Chopper 1"}, "a name is lower-case letters"),
        ({"declare": 3}, "declare is int, and has to be a function"),
        ({"declare": lambda speed: speed}, "declare takes speed; it has to take name"),
        ({"handle": int}, "handle is int, and has to be a class derived from testbeam.Handle"),
        ({"handle": "Handle"}, "handle is str"),
        ({"topics": ("a_topic",)}, "topics is tuple, and has to be a table"),
        ({"topics": {"b_topic": "b"}}, r"topics names the parameter 'b_topic', which declare does not take \(but: name, a_topic\)"),
        ({"topics": {"a_topic": "a b"}}, "topics calls that of 'a_topic' 'a b'"),
        ({"replacement": None}, "replacement has no function local_build"),
        ({"replacement": NoRules()}, r"replacement.local_build takes 1 arguments, and has to take two"),
    ],
)
def test_what_does_not_fit_is_said_when_the_role_is_made(fields: dict[str, object], message: str) -> None:
    with pytest.raises(StackError, match=rf"^role .*: {message}"):
        Role(**({"name": "x", "declare": declare} | fields))  # type: ignore[arg-type]


# --- topics of a stack that is declared in Python ---


def test_a_broker_creates_the_topics_of_the_services_that_need_it() -> None:
    ours = broker(topics=("m", TopicSpec("tb_filewriter_pool", partitions=3)))

    created = topics_of(ours, (filewriter(), filewriter(name="second", pool_topic="p2")))

    assert {topic.name: topic.partitions for topic in created} == {
        "m": 1,
        "tb_filewriter_pool": 3,
        "tb_filewriter_status": 1,
        "tb_filewriter_control": 1,
        "p2": 1,
    }
