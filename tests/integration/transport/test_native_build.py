"""Build of what is in C: a compiler that fails or is not there fails the installation, with its own words."""

import ctypes
import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.skipif(not (ROOT / "hatch_build.py").exists(), reason="an installed package has no build hook")


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The build hook, with a stand-in for hatchling, which is there only while pip builds."""
    interface = ModuleType("hatchling.builders.hooks.plugin.interface")
    interface.BuildHookInterface = type("BuildHookInterface", (), {"__init__": lambda self, root: setattr(self, "root", str(root))})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, interface.__name__, interface)
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "_is_for_here", lambda: True)
    return module


def checkout(folder: Path, hook: Any) -> Path:
    """Return a folder with the sources alone."""
    for source in hook.SOURCES:
        (folder / source).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / source, folder / source)
    return folder


@pytest.mark.parametrize("version", ["standard", "editable"])
@pytest.mark.parametrize(
    ("compiler", "words"),
    [("sh -c 'echo stdio.h is missing >&2; exit 3'", "stdio.h is missing"), ("/no/such/compiler", "No such file")],
    ids=["fails", "missing"],
)
def test_a_failed_build_is_loud_and_leaves_no_library(
    hook: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, compiler: str, words: str
) -> None:
    monkeypatch.setenv("CC", compiler)
    data: dict[str, Any] = {"force_include": {}}

    with pytest.raises(RuntimeError, match=r"ring\.c was not built") as refused:
        hook.NativeBuildHook(checkout(tmp_path, hook)).initialize(version, data)

    assert words in str(refused.value)
    assert list(tmp_path.rglob("*.so*")) == []
    assert data == {"force_include": {}}


def test_without_any_compiler_the_way_out_is_named(hook: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(hook, "importlib", SimpleNamespace(util=SimpleNamespace(find_spec=lambda _name: None)))
    monkeypatch.setattr(hook.shutil, "which", lambda _name: None)

    with pytest.raises(RuntimeError, match="set CC, or let the build have 'ziglang"):
        hook.NativeBuildHook(checkout(tmp_path, hook)).initialize("standard", {"force_include": {}})


def test_a_compiler_that_does_not_work_is_passed_by_for_zig_which_builds_no_c_library_of_its_own(
    hook: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(hook.shutil, "which", {"cc": "/bin/false"}.get)
    monkeypatch.setattr(hook, "importlib", SimpleNamespace(util=SimpleNamespace(find_spec=lambda _name: True)))

    assert hook.NativeBuildHook(tmp_path).dependencies() == [hook.ZIG]
    compiled, linked = hook._commands(tmp_path / "ring.c", tmp_path / "_ring.so", tmp_path)
    assert compiled[1:4] == ["-m", "ziglang", "cc"]
    assert "-c" in compiled
    assert "-shared" not in compiled
    assert linked[1:] == ["-m", "ziglang", "ld.lld", "-shared", "-o", f"{tmp_path}/_ring.so", f"{tmp_path}/ring.o"]


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler here")
def test_the_compiler_of_the_system_is_taken_unless_the_wheel_is_to_be_given_away(
    hook: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CC", raising=False)
    assert hook.NativeBuildHook(tmp_path).dependencies() == []

    hook.own_compiler.cache_clear()
    monkeypatch.setenv(hook.PORTABLE, "1")
    assert hook.NativeBuildHook(tmp_path).dependencies() == [hook.ZIG]


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler here")
def test_a_wheel_gets_both_libraries_and_is_for_this_platform_alone(hook: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "cc")
    data: dict[str, Any] = {"force_include": {}}
    build = hook.NativeBuildHook(checkout(tmp_path, hook))  # has the libraries for as long as it lives
    build.initialize("standard", data)

    assert sorted(data["force_include"].values()) == ["testbeam/transport/ca/_ring.so", "testbeam/transport/kafka/_batch_producer.so"]
    assert (data["pure_python"], data["tag"]) == (False, hook.OWN_TAG)
    (producer,) = (place for place in data["force_include"] if "batch" in place)
    assert ctypes.CDLL(producer).batch_version() == 1
    build.finalize("standard", data, "")
