import json
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from testbeam.errors import StackError
from testbeam.hosting.service_json import decode_service, encode_service
from testbeam.kit.handle import Handle
from testbeam.kit.probes.file import FileExists
from testbeam.kit.spec import Service
from testbeam.kit.stack import Stack
from testbeam.stacks.fingerprint import fingerprint
from testbeam.stacks.reference import light_chain


class Colour(Enum):
    RED = 1


@dataclass(frozen=True)
class Probing:
    path: Path
    more: tuple[int, ...] = ()


class OwnHandle(Handle):
    pass


def greet(handle: Handle, word: str = "") -> None:
    pass


def there_and_back(service: Service) -> Service:
    return decode_service(json.loads(json.dumps(encode_service(service))))


def test_the_reference_stack_arrives_as_it_was_declared() -> None:
    stack = light_chain(prefix="P:", seed=7)

    arrived = Stack(*map(there_and_back, stack.services))

    assert arrived == stack
    assert fingerprint(arrived) == fingerprint(stack)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        1.5,
        "text",
        b"\x00\xff",
        [1, [2]],
        (1, (2,)),
        {"a": {"b": 1}},
        {1: "a", (2, 3): "b"},
        {"$": "name", "at": "os:system"},
        frozenset({1, 2}),
        Path("/a/b"),
        Colour.RED,
        Probing(Path("x"), (1, 2)),
        Probing,
        greet,
        open,
    ],
    ids=lambda value: getattr(value, "__name__", repr(value)),
)
def test_every_kind_of_value_arrives_as_it_was(value: Any) -> None:
    service = Service("one", command=("sleep", "1"), options={"value": value})

    arrived = there_and_back(service).options["value"]

    assert arrived == value
    assert type(arrived) is type(value)


def test_handles_probes_and_functions_arrive_by_name() -> None:
    service = Service("one", command=("x",), handle=OwnHandle, ready=FileExists("there"), after_ready=partial(greet, word="hello"))

    arrived = there_and_back(service)

    assert arrived.handle is OwnHandle
    assert arrived.ready == FileExists("there")
    assert isinstance(arrived.after_ready, partial)
    assert (arrived.after_ready.func, arrived.after_ready.keywords) == (greet, {"word": "hello"})


@pytest.mark.parametrize("value", [lambda: None, object()], ids=["lambda", "object"])
def test_what_has_no_name_to_import_it_by_is_refused_with_its_place(value: Any) -> None:
    service = Service("one", command=("x",), options={"deed": value})
    with pytest.raises(StackError, match=r"service 'one' options deed holds .*(import|told)"):
        encode_service(service)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"name": "one"},
        {"name": "one", "command": 5},
        {"name": "one", "surprise": 1},
        {"name": "one", "command": {"$": "tuple"}},
        {"name": "one", "command": {"$": "spell", "of": []}},
        {"name": "one", "command": ["x"], "handle": {"$": "name", "at": "no.such:thing"}},
        {"name": "one", "command": ["x"], "ready": {"$": "object", "type": "os:getcwd", "fields": {}}},
        {"name": "one", "command": ["x"], "ready": {"$": "object", "type": "pathlib:Path", "fields": {"wrong": 1}}},
    ],
)
def test_what_is_no_declaration_is_a_stack_error(data: dict[str, Any]) -> None:
    with pytest.raises(StackError):
        decode_service(data)
