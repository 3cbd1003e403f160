"""Start of a stack in a host process of its own, which lives on when the starter ends."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from testbeam.errors import StackError, TestbeamError
from testbeam.hosting import host, registry
from testbeam.hosting.hosted import StackInfo
from testbeam.hosting.registry import Entry
from testbeam.hosting.run_control import error_of
from testbeam.hosting.service_json import encode_service
from testbeam.kit import environment, template
from testbeam.kit.journal import Event, Subscriber
from testbeam.kit.logs import tail
from testbeam.kit.stack import Stack

_PROGRAM = ("-P", "-m", host.__name__)  # -P: the folder that we happen to be in is no place for modules


def detach(
    stack: Stack,
    label: StackInfo,
    *,
    folder: Path | None = None,
    on_event: Subscriber = lambda _: None,
    watched: tuple[int, str] = (0, ""),
) -> Entry:
    """Start the stack in a process of its own and return once it is ready.

    on_event: called with each event of the start. watched: pid and start time of a process whose end ends the stack.

    Raises:
        TestbeamError: what the start raised over there, of the same kind.
        StackError: the declaration can't be told to another process, or the host died.
    """
    services = [encode_service(service) for service in stack.services]
    log = registry.log_path()
    order = host.Order(
        services=services,
        label=asdict(replace(label, log=str(log))),
        path=[str(Path(one).absolute()) for one in sys.path],
        folder="" if folder is None else str(folder.absolute()),
        watched_pid=watched[0],
        watched_started_at=watched[1],
    )
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            pid = _spawn(theirs, log)
        try:
            entry = _wait_ready(ours, order, on_event)
        except OSError:  # it is gone in the middle of a word
            entry = None
        except TestbeamError:
            log.unlink(missing_ok=True)  # all that it says is in the error
            raise
    if entry is None:
        raise StackError(_died(pid, log))
    return entry


def prepare(stack: Stack) -> None:
    """Do on this terminal, where its progress can be seen, what services are prepared with; who holds the stack finds it done.

    Whatever goes wrong here goes wrong there, too, and is told then.
    """
    for service in stack.services:
        with suppress(StackError, OSError):  # it needs more than the interpreter, or is not there
            for words in service.prepare:
                argv = [template.fill(word, {"python": sys.executable}, service.name) for word in words]
                subprocess.run(argv, env=environment.scrubbed(), stdin=subprocess.DEVNULL, check=False)


def _spawn(theirs: socket.socket, log: Path) -> int:
    """Start the host in a session of its own, with nothing of ours but the socket."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    actions: list[tuple[Any, ...]] = [
        (os.POSIX_SPAWN_DUP2, theirs.fileno(), 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    argv = [sys.executable, *_PROGRAM]
    return os.posix_spawn(sys.executable, argv, os.environ, file_actions=actions, setsid=True)


def _wait_ready(ours: socket.socket, order: host.Order, on_event: Callable[[Event], None]) -> Entry | None:
    ours.sendall(order.to_line())
    for said in _said(ours):
        if "event" in said:
            on_event(Event(**said["event"]))
        elif "error" in said:
            notes = said["error"].pop("notes")
            error = error_of(**said["error"])
            for note in notes:
                error.add_note(note)
            raise error
        else:
            return Entry(**said["ready"])
    return None


def _said(ours: socket.socket) -> Iterator[dict[str, Any]]:
    with ours.makefile("rb") as lines:
        for line in lines:
            if line.endswith(b"\n"):
                yield json.loads(line)


def _died(pid: int, log: Path) -> str:
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)
    words = "\n".join(f"  | {line}" for line in tail(log))
    return f"the process that was to host the stack died (pid {pid}); its log {log}, its end:\n{words}"
