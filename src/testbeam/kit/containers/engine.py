"""Container engine of this machine: the first that answers."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from testbeam.errors import StackError

ENGINES = ("docker", "podman")
NOT_INSTALLED = "is not installed"
VARIABLE = "TESTBEAM_CONTAINER_ENGINE"
_ANSWER_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What came of asking one engine: its version, or the trouble."""

    engine: str
    version: str = ""
    trouble: str = ""


def version_argv(engine: str) -> tuple[str, ...]:
    """Return the words whose answer shows that containers can be run: for Docker it comes from the daemon."""
    if Path(engine).name == "podman":
        return engine, "info", "--format", "{{.Version.Version}}"
    return engine, "version", "--format", "{{.Server.Version}}"


def image_argv(engine: str, image: str) -> tuple[str, ...]:
    """Return the words that succeed where the image is on this machine."""
    return engine, "image", "inspect", "--format", "{{.Id}}", image


def ask(engine: str, timeout_s: float = _ANSWER_S) -> Asked:
    """Ask an engine whether it is there; never waits longer than `timeout_s`."""
    if shutil.which(engine) is None:
        return Asked(engine=engine, trouble=NOT_INSTALLED)
    try:
        done = subprocess.run(
            version_argv(engine), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout_s, check=False, errors="replace"
        )
    except subprocess.TimeoutExpired:
        return Asked(engine=engine, trouble=f"does not answer within {timeout_s:g} s")
    except OSError as error:
        return Asked(engine=engine, trouble=f"can't be executed: {error.strerror}")
    version = done.stdout.strip()
    if done.returncode == 0 and version and "no value" not in version:
        return Asked(engine=engine, version=version)
    said = (done.stderr.strip().splitlines() or [f"ended with code {done.returncode}"])[-1]
    return Asked(engine=engine, trouble=f"is installed, and says: {said}")


def candidates(environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return the engines to ask, in order: the one that TESTBEAM_CONTAINER_ENGINE names, else Docker and Podman."""
    named = environ.get(VARIABLE, "").strip()
    return (named,) if named else ENGINES


def find(environ: Mapping[str, str] = os.environ) -> str:
    """Return the first engine that answers.

    Raises:
        StackError: none does; says what each said, and the ways out.
    """
    troubles = []
    for engine in candidates(environ):
        asked = ask(engine)
        if asked.version:
            return engine
        troubles.append(f"{engine} {asked.trouble}")
    raise StackError(
        f"no container engine answers: {'; '.join(troubles)}. Ways out:\n"
        f"  - start it (sudo systemctl start docker), and see that this user may use it: docker version\n"
        f"  - install Podman, which needs no daemon and no root: sudo apt-get install -y podman\n"
        f"  - name another engine, or its path, in {VARIABLE}\n"
        f"  - leave the container out: testbeam's own broker needs none"
    )


def has_image(engine: str, image: str) -> bool:
    """Tell whether an image is on this machine."""
    try:
        done = subprocess.run(
            image_argv(engine, image),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_ANSWER_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
