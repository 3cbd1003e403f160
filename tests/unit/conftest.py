"""Unit tests open no socket, fork nothing and never sleep: who tries is told so."""

import os
import platform
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import pytest

platform.processor()  # starts `uname` once a process; h5py asks for it when it is imported


class NotAUnit(AssertionError):
    """A unit test does what belongs to tests/integration."""


def refuse(what: str) -> Callable[..., NoReturn]:
    """Return what stands in a function's place and fails the test."""

    def refused(*_: Any, **__: Any) -> NoReturn:
        raise NotAUnit(f"a unit test {what}; move it to tests/integration, or give it a fake")

    return refused


@pytest.fixture(autouse=True)
def _no_socket_no_fork_no_sleep(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        calls = {name: refuse(f"calls socket.{name}") for name in ("connect", "connect_ex", "bind", "listen")}
        patched.setattr(socket, "socket", type("socket", (socket.socket,), calls))
        patched.setattr(socket, "socketpair", refuse("calls socket.socketpair"))
        for name in ("fork", "posix_spawn", "posix_spawnp", "system"):
            patched.setattr(os, name, refuse(f"calls os.{name}"))
        patched.setattr(subprocess, "Popen", type("Popen", (subprocess.Popen,), {"__init__": refuse("starts a process")}))
        patched.setattr(time, "sleep", refuse("calls time.sleep"))
        yield
