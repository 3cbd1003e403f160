"""Hosting of a run that is ready: registered, steered by clients, and ended when one of them says so."""

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from testbeam.hosting import registry
from testbeam.hosting.control_server import ControlServer
from testbeam.hosting.processes import started_at
from testbeam.hosting.registry import Entry
from testbeam.kit.run import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class StackInfo:
    """What a stack is known by: its name, the fingerprint of its declaration, the file of it, and the host's own log.

    `env_names` are further variables that `testbeam env` prints of it, as templates over its endpoints.
    """

    name: str
    fingerprint: str
    file: str = ""
    log: str = ""
    session: str = ""
    env_names: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class HostedRun:
    """A registered run; `told_to_end` is set when a client asks for its end."""

    run: Run
    entry: Entry
    told_to_end: threading.Event = field(default_factory=threading.Event)


@contextmanager
def hosted(run: Run, label: StackInfo) -> Iterator[HostedRun]:
    """Register a run that is ready and let others steer it, for as long as the block lasts; the run itself goes on."""
    pid = os.getpid()
    told = threading.Event()
    with ExitStack() as owned:
        server = ControlServer(run, told.set)
        owned.callback(server.close)
        entry = Entry(
            id=run.id,
            pid=pid,
            started_at=started_at(pid),
            socket=str(server.path),
            folder=str(run.folder),
            wall_s=time.time(),
            endpoints={name: dict(handle.endpoints) for name, handle in run.handles.items()},
            name=label.name,
            fingerprint=label.fingerprint,
            file=label.file,
            log=label.log,
            session=label.session,
            env_names=dict(label.env_names),
        )
        registry.register(entry)
        owned.callback(registry.forget, entry.id)
        yield HostedRun(run, entry, told)


def log_path() -> Path:
    """Return a new file for what a detached host itself has to say."""
    return registry.stacks_folder() / f"holder-{os.urandom(4).hex()}.log"
