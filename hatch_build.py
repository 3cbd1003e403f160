"""Build hook of the package: compiles the receive ring of Channel Access (`transport/ca/ring.c`) on Linux on x86-64.

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
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE = Path("src/testbeam/transport/ca/ring.c")
LIBRARY = SOURCE.with_name("_ring.so")
ZIG = "ziglang>=0.13"
TAG = "py3-none-manylinux_2_17_x86_64"

_FLAGS = ("-O2", "-std=gnu11", "-shared", "-fPIC")
_ZIG_FLAGS = ("-target", "x86_64-linux-gnu.2.17")  # without it zig makes code for this very processor and C library


class RingBuildHook(BuildHookInterface):
    """Compiles the ring into the wheel, or beside its source for an editable install."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Return what the build needs: zig, unless a compiler is named."""
        return [ZIG] if _is_for_here() and not os.environ.get("CC") else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile; called before the wheel is put together."""
        if not _is_for_here():
            return
        root = Path(self.root)
        if version == "editable":
            compile_ring(root / SOURCE, root / LIBRARY)
            return
        library = Path(tempfile.mkdtemp(prefix="testbeam-ring-")) / LIBRARY.name
        compile_ring(root / SOURCE, library)
        build_data["force_include"][str(library)] = str(LIBRARY.relative_to("src"))
        build_data["pure_python"] = False
        build_data["tag"] = TAG


def _is_for_here() -> bool:
    return sys.platform == "linux" and platform.machine() == "x86_64"


def compile_ring(source: Path, library: Path) -> None:
    """Compile `source` into `library`, in one step.

    Raises:
        RuntimeError: there is no compiler, or it failed; says what it said.
    """
    unfinished = library.with_name(f"{library.name}.{os.getpid()}")
    with tempfile.TemporaryDirectory(prefix="testbeam-zig-") as cache:
        argv = [*_compiler(), *_FLAGS, "-o", str(unfinished), str(source)]
        environment = os.environ | {"ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache}
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the receive ring of Channel Access was not built: {shlex.join(argv)}\n{done.stdout}{done.stderr}")
    unfinished.replace(library)


def _compiler() -> list[str]:
    if os.environ.get("CC"):
        return shlex.split(os.environ["CC"])
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc", *_ZIG_FLAGS]
    cc = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if cc is None:
        raise RuntimeError(f"no C compiler for {SOURCE}: set CC, or let the build have {ZIG!r} from PyPI")
    return [cc]


if __name__ == "__main__":
    compile_ring(Path(__file__).parent / SOURCE, Path(__file__).parent / LIBRARY)
