"""Hosting of a run that is ready: registered, steered by clients, and ended when one of them says so."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, fields

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
def starting(run: Run, info: StackInfo) -> Iterator[None]:
    """Have a run seen, and ended by `testbeam down`, while it starts within the block; `hosted` takes over from there."""
    registry.register(_entry(run, info, folder="", socket="", is_ready=False))
    try:
        yield
    except BaseException:
        registry.forget(run.id)
        raise


@contextmanager
def hosted(run: Run, info: StackInfo, on_end: Callable[[], None] = lambda: None) -> Iterator[HostedRun]:
    """Register a run that is ready and let others steer it, for as long as the block lasts; the run itself goes on.

    on_end: called, from another thread, when a client asks for the end.
    """
    told = threading.Event()

    def end() -> None:
        told.set()
        on_end()

    with ExitStack() as owned:
        server = ControlServer(run, end)
        owned.callback(server.close)
        entry = _entry(run, info, folder=str(run.folder), socket=str(server.path), is_ready=True)
        registry.register(entry)
        owned.callback(registry.forget, entry.id)
        yield HostedRun(run, entry, told)


def _entry(run: Run, info: StackInfo, *, folder: str, socket: str, is_ready: bool) -> Entry:
    pid = os.getpid()
    return Entry(
        id=run.id,
        pid=pid,
        started_at=started_at(pid),
        socket=socket,
        folder=folder,
        wall_s=time.time(),
        endpoints={name: dict(handle.endpoints) for name, handle in run.handles.items()} if is_ready else {},
        is_ready=is_ready,
        **{item.name: getattr(info, item.name) for item in fields(info)} | {"env_names": dict(info.env_names)},
    )
