from pathlib import Path

import pytest

from testbeam.errors import StackError
from testbeam.stacks.roles import registry
from testbeam.stacks.toml.file import parse

MODULE = """
from testbeam.kit.spec import Service

def chopper(*, name="chopper", speed_hz: float = 14.0):
    return Service(name, command=("chopper", str(speed_hz)))

def silent(*, name="silent"):
    return None

def nameless():
    return None

number = 3
"""


@pytest.fixture
def offer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Install a package of this test's own that offers roles."""

    def install(*entries: str, name: str = "acme-beamline") -> None:
        folder = tmp_path / name
        info = folder / f"{name.replace('-', '_')}-1.2.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text("[testbeam.roles]\n" + "\n".join(entries) + "\n")
        (folder / "acme_roles.py").write_text(MODULE)
        monkeypatch.syspath_prepend(str(folder))
        registry._offered.cache_clear()

    registry._offered.cache_clear()
    yield install
    registry._offered.cache_clear()


def test_our_roles_are_known_without_being_installed_anew() -> None:
    assert registry.names()[:5] == ("broker", "ioc", "forwarder", "filewriter", "event_source")
    assert all(callable(registry.role(name)) for name in registry.names())


def test_another_package_brings_a_role(offer) -> None:  # type: ignore[no-untyped-def]
    offer("chopper = acme_roles:chopper")

    assert "chopper" in registry.names()
    declaration = parse('[services.c1]\nrole = "chopper"\nspeed_hz = 28', Path("/x/testbeam.toml"))

    (service,) = declaration.stack.services
    assert (service.name, service.role, service.command) == ("c1", "chopper", ("chopper", "28.0"))


def test_an_unknown_role_comes_with_what_is_near(offer) -> None:  # type: ignore[no-untyped-def]
    offer("chopper = acme_roles:chopper")

    with pytest.raises(StackError, match=r"no role 'choper'; did you mean chopper"):
        registry.role("choper")


def test_a_broken_entry_point_names_its_package(offer) -> None:  # type: ignore[no-untyped-def]
    offer("chopper = acme_roles.nowhere:chopper")

    with pytest.raises(
        StackError, match=r"role 'chopper' of acme-beamline 1\.2 \(acme_roles\.nowhere:chopper\) can't be loaded: ModuleNotFound"
    ):
        registry.role("chopper")


def test_an_entry_point_that_is_no_function_names_its_package(offer) -> None:  # type: ignore[no-untyped-def]
    offer("number = acme_roles:number")

    with pytest.raises(StackError, match=r"acme-beamline 1\.2 .* is int, and has to be a function"):
        registry.role("number")


def test_a_role_that_returns_no_service_names_its_package(offer) -> None:  # type: ignore[no-untyped-def]
    offer("silent = acme_roles:silent")

    with pytest.raises(StackError, match=r"services\.s: role 'silent' of acme-beamline 1\.2 .* returned NoneType"):
        parse('[services.s]\nrole = "silent"', Path("/x/testbeam.toml"))


def test_a_role_that_fails_names_its_package(offer) -> None:  # type: ignore[no-untyped-def]
    offer("nameless = acme_roles:nameless")

    with pytest.raises(StackError, match=r"services\.s: role 'nameless' of acme-beamline 1\.2 .* failed: TypeError: .*'name'"):
        parse('[services.s]\nrole = "nameless"', Path("/x/testbeam.toml"))


def test_two_packages_with_one_role_are_both_named(offer) -> None:  # type: ignore[no-untyped-def]
    offer("chopper = acme_roles:chopper")
    offer("chopper = acme_roles:chopper", name="other-beamline")

    with pytest.raises(StackError, match=r"offered by \S+-beamline 1\.2 .* and by \S+-beamline 1\.2"):
        registry.role("chopper")


def test_nobody_takes_the_place_of_our_roles_in_silence(offer) -> None:  # type: ignore[no-untyped-def]
    offer("broker = acme_roles:chopper")

    with pytest.raises(StackError, match=r"role 'broker' is testbeam's own, and is offered by acme-beamline 1\.2"):
        registry.role("broker")
