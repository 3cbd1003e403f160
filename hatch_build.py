"""Build hook of the package: compiles the receive ring of Channel Access and the producer by the block, in C, on Linux on x86-64.

The compiler is `$CC`, else zig, which comes as a wheel, so that neither compiler nor headers need be installed; else the system's cc.
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
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCES = tuple(Path("src/testbeam/transport") / name for name in ("ca/ring.c", "kafka/batch_producer.c"))
ZIG = "ziglang>=0.13"  # constraints.txt has the version that this is tested with
TAG = "py3-none-manylinux_2_17_x86_64"

_FLAGS = ("-O2", "-std=gnu11", "-shared", "-fPIC")
_ZIG_FLAGS = ("-target", "x86_64-linux-gnu.2.17")  # without it zig makes code for this very processor and C library


class NativeBuildHook(BuildHookInterface):
    """Compiles the libraries into the wheel, or beside their sources for an editable install."""

    PLUGIN_NAME = "custom"
    _folder: tempfile.TemporaryDirectory[str] | None = None  # of the libraries, until they are in the wheel

    def dependencies(self) -> list[str]:
        """Return what the build needs: zig, unless a compiler is named."""
        return [ZIG] if _is_for_here() and not os.environ.get("CC") else []

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
        compile_all(root, libraries)
        for source, library in libraries.items():
            build_data["force_include"][str(library)] = str(_library(source).relative_to("src"))
        build_data["pure_python"] = False
        build_data["tag"] = TAG

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
    with tempfile.TemporaryDirectory(prefix="testbeam-zig-") as cache:
        environment = os.environ | {"ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache}
        for source, library in libraries.items():
            unfinished = library.with_name(f"{library.name}.{os.getpid()}")
            argv = [*_compiler(), *_FLAGS, "-o", str(unfinished), str(root / source)]
            try:
                done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
            except OSError as error:
                raise RuntimeError(f"{source} was not built: {shlex.join(argv)}: {error.strerror}") from error
            if done.returncode:
                raise RuntimeError(f"{source} was not built: {shlex.join(argv)}\n{done.stdout}{done.stderr}")
            unfinished.replace(library)


def _compiler() -> list[str]:
    if os.environ.get("CC"):
        return shlex.split(os.environ["CC"])
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc", *_ZIG_FLAGS]
    cc = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if cc is None:
        raise RuntimeError(f"no C compiler for {', '.join(map(str, SOURCES))}: set CC, or let the build have {ZIG!r} from PyPI")
    return [cc]


if __name__ == "__main__":
    here = Path(__file__).parent
    compile_all(here, {source: here / _library(source) for source in SOURCES})
