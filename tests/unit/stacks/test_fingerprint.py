from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from testbeam.errors import StackError
from testbeam.hosting.service_json import encode_service
from testbeam.kit.probes.all_of import all_of
from testbeam.kit.probes.file import FileExists
from testbeam.kit.probes.log_line import LogLine
from testbeam.kit.spec import Port, Service
from testbeam.kit.stack import Stack
from testbeam.stacks.fingerprint import differences, fingerprint
from testbeam.stacks.reference import light_chain
from testbeam.stacks.replacing import replaced


def of(**fields: object) -> str:
    return fingerprint(Stack(Service("a", command=("a",), **fields)))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Choice:
    level: int = 1


def test_the_order_of_services_is_no_difference() -> None:
    a, b = Service("a", command=("a",)), Service("b", command=("b",))

    assert fingerprint(Stack(a, b)) == fingerprint(Stack(b, a))


def test_what_prepares_a_service_is_no_difference() -> None:
    assert of(prepare=(("fetch",),)) == of()


def test_equal_numbers_are_equal_whatever_their_kind() -> None:
    assert of(ready_timeout_s=5) == of(ready_timeout_s=5.0)
    assert of(stop_signal=15) == of()


@pytest.mark.parametrize(
    "fields",
    [
        {"env": {"A": "1"}},
        {"env": {"A": "2"}},
        {"env": {"A": "", "B": ""}},
        {"ports": (Port(name="x"),)},
        {"ports": (Port(name="x", fixed=1),)},
        {"ready": FileExists("x")},
        {"ready": LogLine("x")},
        {"ready": all_of(FileExists("x"), LogLine("y"))},
        {"after_ready": print},
        {"after_ready": partial(print, "x")},
        {"options": {"x": Choice()}},
        {"options": {"x": Choice(level=2)}},
        {"options": {"x": Path("y")}},
        {"options": {"x": "y"}},
        {"options": {"x": ("y",)}},
        {"options": {"x": True}},
        {"options": {"x": 1}},
        {"options": {"x": {"b", "a"}}},
    ],
)
def test_every_other_declaration_has_another_one(fields: dict[str, object]) -> None:
    others = [of(), of(env={"A": "3"}), of(options={"x": None})]

    assert of(**fields) not in others
    assert of(**fields) == of(**fields)


def test_all_of_these_differ_from_each_other() -> None:
    fields = [{}, *test_every_other_declaration_has_another_one.pytestmark[0].args[1]]  # type: ignore[attr-defined]

    assert len({of(**one) for one in fields}) == len(fields)


def test_what_no_other_process_can_know_is_refused_by_name(tmp_path: Path) -> None:
    with (tmp_path / "x").open("w") as file, pytest.raises(StackError, match=r"service 'a' options x holds <_io\.TextIOWrapper"):
        of(options={"x": file})


def test_two_declarations_are_told_apart_by_service_and_field() -> None:
    own = light_chain()
    other = {service.name: encode_service(service) for service in replaced(own, "filewriter", command="sh -x").services}
    other |= {"more": encode_service(Service("more", command=("a",)))}
    other.pop("ioc")

    assert differences(own, {service.name: encode_service(service) for service in own.services}) == []
    missing, more, writer = differences(own, other)
    assert missing == "it has no service 'ioc'"
    assert more == "it has a service 'more' more"
    assert writer.startswith("service 'filewriter': command[0] is 'sh', and '${python}' here, ")


def test_differences_in_files_and_variables_are_told_without_their_values() -> None:
    ours, theirs = (Service("a", command=("a",), files={"x": secret}, env={"P": secret}) for secret in ("mine", "theirs"))

    assert differences(Stack(ours), {"a": encode_service(theirs)}) == ["service 'a': env P differs, files x differs"]
