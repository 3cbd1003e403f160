"""Build hook of the package: compiles the receive ring of Channel Access and the producer by the block, in C, on Linux on x86-64.

The compiler is `$CC`, else the system's, where there is one and it works; else zig, which comes as a wheel, so that neither compiler nor
headers need be installed. What zig makes runs on other machines, too: `TESTBEAM_PORTABLE=1` has it used for a wheel that is given away.
A build that fails is an error: a package without the ring would lose updates in silence. Elsewhere the package is pure Python.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCES = tuple(Path("src/testbeam/transport") / name for name in ("ca/ring.c", "kafka/batch_producer.c"))
ZIG = "ziglang>=0.13"  # constraints.txt has the version that this is tested with
PORTABLE = "TESTBEAM_PORTABLE"
PORTABLE_TAG, OWN_TAG = "py3-none-manylinux_2_17_x86_64", "py3-none-linux_x86_64"

_FLAGS = ("-O2", "-std=gnu11", "-fPIC")
_ZIG_TARGET = ("-target", "x86_64-linux-gnu.2.17")  # without it zig makes code for this very processor and C library
_TRIED = "#include <stdatomic.h>\n#include <stdlib.h>\n#include <unistd.h>\nint tried(void) { return (int)write(1, malloc(1), 1); }\n"

Commands = list[list[str]]


class NativeBuildHook(BuildHookInterface):
    """Compiles the libraries into the wheel, or beside their sources for an editable install."""

    PLUGIN_NAME = "custom"
    _folder: tempfile.TemporaryDirectory[str] | None = None  # of the libraries, until they are in the wheel

    def dependencies(self) -> list[str]:
        """Return what the build needs: zig, unless a compiler is named or there."""
        return [ZIG] if _is_for_here() and not os.environ.get("CC") and own_compiler() is None else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile; called before the wheel is put together."""
        if not _is_for_here():
            return
        root = Path(self.root)
        if version == "editable":
            compile_all(root, {source: root / _library(source) for source in SOURCES})
            return
        self._folder = tempfile.TemporaryDirectory(prefix="testbeam-native-")
        libraries = {source: Path(self._folder.name) / _library(source).name for source in SOURCES}
        try:
            compile_all(root, libraries)
        except BaseException:  # no wheel comes of it, and nobody finalizes
            self._folder.cleanup()
            raise
        for source, library in libraries.items():
            build_data["force_include"][str(library)] = str(_library(source).relative_to("src"))
        build_data["pure_python"] = False
        build_data["tag"] = PORTABLE_TAG if _uses_zig() else OWN_TAG

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Clean up; called once the wheel is there."""
        if self._folder is not None:
            self._folder.cleanup()


def _library(source: Path) -> Path:
    return source.with_name(f"_{source.stem}.so")


def _is_for_here() -> bool:
    return sys.platform == "linux" and platform.machine() == "x86_64"


def compile_all(root: Path, libraries: Mapping[Path, Path]) -> None:
    """Compile each source, a path below `root`, into its library, in one step.

    Raises:
        RuntimeError: there is no compiler, or it failed; says what it said.
    """
    with tempfile.TemporaryDirectory(prefix="testbeam-build-") as folder:
        environment = os.environ | {"ZIG_GLOBAL_CACHE_DIR": folder, "ZIG_LOCAL_CACHE_DIR": folder}
        for source, library in libraries.items():
            unfinished = library.with_name(f"{library.name}.{os.getpid()}")
            for argv in _commands(root / source, unfinished, Path(folder)):
                _run(argv, environment, source)
            unfinished.replace(library)


def _run(argv: list[str], environment: Mapping[str, str], source: Path) -> None:
    try:
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    except OSError as error:
        raise RuntimeError(f"{source} was not built: {shlex.join(argv)}: {error.strerror}") from error
    if done.returncode:
        raise RuntimeError(f"{source} was not built: {shlex.join(argv)}\n{done.stdout}{done.stderr}")


def _commands(source: Path, library: Path, folder: Path) -> Commands:
    """Return what makes a library of a source.

    zig compiles and links in two commands: told to do both it first builds a C library and a run-time of its own, seven seconds of
    processor time, of which nothing is used. What is missing in the libraries is found in the program that loads them, as every Python
    has its C library.
    """
    compiler = shlex.split(os.environ.get("CC", "")) or own_compiler()
    if compiler is not None:
        return [[*compiler, *_FLAGS, "-shared", "-o", str(library), str(source)]]
    if not importlib.util.find_spec("ziglang"):
        raise RuntimeError(f"no C compiler for {', '.join(map(str, SOURCES))}: set CC, or let the build have {ZIG!r} from PyPI")
    zig, made = [sys.executable, "-m", "ziglang"], str(folder / f"{source.stem}.o")
    return [
        [*zig, "cc", *_ZIG_TARGET, *_FLAGS, "-c", "-o", made, str(source)],
        [*zig, "ld.lld", "-shared", "-o", str(library), made],
    ]


def _uses_zig() -> bool:
    return not os.environ.get("CC") and own_compiler() is None


@cache
def own_compiler() -> list[str] | None:
    """Return the system's C compiler, if there is one that works, headers included, and zig is not asked for."""
    if os.environ.get(PORTABLE):
        return None
    with tempfile.TemporaryDirectory(prefix="testbeam-build-") as folder:
        source = Path(folder) / "tried.c"
        source.write_text(_TRIED)
        for compiler in filter(None, map(shutil.which, ("cc", "gcc", "clang"))):
            argv = [compiler, *_FLAGS, "-shared", "-o", f"{folder}/tried.so", str(source)]
            if subprocess.run(argv, capture_output=True, check=False).returncode == 0:
                return [compiler]
    return None


if __name__ == "__main__":
    here = Path(__file__).parent
    compile_all(here, {source: here / _library(source) for source in SOURCES})
