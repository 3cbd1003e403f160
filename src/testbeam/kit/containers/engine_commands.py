"""Command lines of a container engine, and what a container is made from: Docker and Podman understand the same words."""

import os
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from testbeam.errors import StackError

NAME = "testbeam-${run_id}-${name}"  # a template of the service's
RUN_LABEL = "testbeam.run"
SERVICE_LABEL = "testbeam.service"
OWNER_LABEL = "testbeam.owner"
_LISTED = " ".join(("{{.ID}}", f'{{{{.Label "{RUN_LABEL}"}}}}', f'{{{{.Label "{SERVICE_LABEL}"}}}}'))


def owner() -> str:
    """Return who starts containers here: an engine may serve several users and machines."""
    return f"{os.getuid()}@{socket.gethostname()}"


def stop(engine: str, name: str, timeout_s: float) -> tuple[str, ...]:
    """Return the words that ask a container to end, and kill it when its time is over."""
    return engine, "stop", "-t", str(max(round(timeout_s), 0)), name


def kill(engine: str, name: str, signal: str = "KILL") -> tuple[str, ...]:
    """Return the words that send a container's first process a signal."""
    return engine, "kill", "--signal", signal, name


def pause(engine: str, name: str) -> tuple[str, ...]:
    """Return the words that freeze all processes of a container."""
    return engine, "pause", name


def unpause(engine: str, name: str) -> tuple[str, ...]:
    """Return the words that let them go on."""
    return engine, "unpause", name


def remove(engine: str, *names: str) -> tuple[str, ...]:
    """Return the words that kill containers, if they run, and remove them."""
    return engine, "rm", "--force", *names


def pull(engine: str, image: str) -> tuple[str, ...]:
    """Return the words that fetch an image, with progress on the terminal."""
    return engine, "pull", image


def list_ours(engine: str, of: str) -> tuple[str, ...]:
    """Return the words that list the containers of an owner's runs, a line `ID RUN SERVICE` each."""
    return engine, "ps", "--all", "--filter", f"label={OWNER_LABEL}={of}", "--format", _LISTED


def run(argv: tuple[str, ...], timeout_s: float) -> str:
    """Run an engine's command and return its output.

    Raises:
        StackError: it fails, can't be executed, or does not end in time.
    """
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout_s, check=False, errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StackError(f"{' '.join(argv)} failed: {error}; see whether the engine still answers: {argv[0]} version") from None
    if done.returncode != 0:
        raise StackError(f"{' '.join(argv)} ended with code {done.returncode}: {done.stderr.strip()}")
    return done.stdout


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """An image and how it is run.

    engine: the program, `docker` or `podman`, or its path. network: `bridge` publishes the service's ports on its loopback address;
    `host` shares the machine's network, for a service that has to reach others of the stack. volumes: `HOST:CONTAINER[:ro]`.
    user: `UID:GID`. options: further words for `run`.
    """

    image: str
    engine: str = "docker"
    network: Literal["bridge", "host"] = "bridge"
    env: Mapping[str, str] = field(default_factory=dict)
    volumes: tuple[str, ...] = ()
    user: str = ""
    options: tuple[str, ...] = ()
    owner: str = field(default_factory=owner)

    def __post_init__(self) -> None:
        if not self.image or self.image.startswith("-") or any(c.isspace() for c in self.image):
            raise StackError(f"container image {self.image!r} is no name of an image, such as apache/kafka:4.3.1")
