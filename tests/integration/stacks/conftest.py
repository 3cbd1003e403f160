"""A stand-in for a container engine, since none may be on the machine: see `engine_daemon.py` and `engine_client.py`."""

import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.kit.runners import until
from tests.integration.temporary import temporary_folders_of_its_own  # noqa: F401 - a fixture

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Engine:
    """The program that is called, and what runs in it."""

    program: str
    address: str

    def containers(self) -> list[dict[str, Any]]:
        """Return id, labels and pid of every container."""
        with socket.socket(socket.AF_UNIX) as channel:
            channel.connect(self.address)
            channel.sendall(b'{"do": "ps"}\n')
            rows: list[dict[str, Any]] = json.loads(channel.makefile().readline())["rows"]
            return rows


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """Start an engine that answers; it is what TESTBEAM_CONTAINER_ENGINE names."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # a Unix socket's path has 107 characters at most
        address, program = f"{folder}/socket", Path(folder, "engine")
        program.write_text(f'#!/bin/sh\nexport STAND_IN_ENGINE="{address}"\nexec "{sys.executable}" -I "{HERE}/engine_client.py" "$@"\n')
        program.chmod(0o755)
        daemon = subprocess.Popen([sys.executable, "-I", str(HERE / "engine_daemon.py"), address])
        try:
            until(lambda: Path(address).exists(), 60)
            monkeypatch.setenv("TESTBEAM_CONTAINER_ENGINE", str(program))
            yield Engine(str(program), address)
        finally:
            daemon.kill()
            daemon.wait()
