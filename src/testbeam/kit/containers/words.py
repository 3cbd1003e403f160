"""Which words tell an engine to do something with containers: Docker and Podman understand the same ones."""

import os
import socket

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
