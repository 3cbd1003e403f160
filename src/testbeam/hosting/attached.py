"""Attached run: the surface of a Run for a test, a prompt or a command, over the socket of the process that hosts it."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

from testbeam.errors import StackError
from testbeam.hosting import registry
from testbeam.hosting.channel import Channel
from testbeam.hosting.registry import Entry
from testbeam.hosting.remote import RemoteAllocation, RemoteFaults, RemoteLifecycle
from testbeam.hosting.run_control import error_of
from testbeam.hosting.service_json import decode_service, encode_service
from testbeam.kit import journal, template
from testbeam.kit.handle import Handle, handle_class
from testbeam.kit.journal import Event, Subscriber
from testbeam.kit.spec import Service
from testbeam.kit.stack import Stack
from testbeam.model.deadline import Deadline

H = TypeVar("H")
_NOTED_S = 2.0

OnCrash = Callable[[Handle], None]


class AttachedJournal:
    """The journal of a run that is hosted elsewhere: its file is read here, what is recorded goes there."""

    def __init__(self, run: "AttachedRun") -> None:
        self._run = run
        self.path = run.folder / "events.jsonl"

    @property
    def events(self) -> list[Event]:
        """Return every event until now."""
        return list(journal.read(self.path))

    def record(self, kind: str, service: str = "", **data: Any) -> Event:
        """Write one event; return it."""
        return Event(**self._run.channel.ask("record", kind=kind, service=service, data=data))

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Call `subscriber` with each event from now on, from a thread of its own; return what ends that."""
        channel = Channel(self._run.channel.path)
        since: int = self._run.channel.ask("describe")["events"]

        def follow() -> None:
            with channel:
                for event in channel.follow(since):
                    subscriber(Event(**event))

        thread = threading.Thread(target=follow, name="testbeam-follow", daemon=True)
        thread.start()

        def end() -> None:
            channel.close()
            if thread is not threading.current_thread():
                thread.join()

        return end


class AttachedRun:
    """A running stack that another process hosts; closing it, or leaving its block, leaves the stack as it is.

    What this process has added is stopped with it. `declared` gives services whose classes the host could not tell. With `from_start`
    it is poisoned, too, by what has ended before this process has joined.
    """

    def __init__(
        self, entry: Entry, declared: Iterable[Service] = (), on_crash: OnCrash | None = None, *, from_start: bool = False
    ) -> None:
        self.entry = entry
        self.id = entry.id
        self.folder = Path(entry.folder)
        self.channel = Channel(entry.socket)
        self._crash_channel = Channel(entry.socket)  # of its own: a word that starts services keeps the other one for minutes
        described = self.channel.ask("describe")
        self.ready_s: float | None = described["ready_s"]
        self.guard_pid: int | None = described["guard_pid"]
        self.watcher_pid: int = described["watcher_pid"]
        self.journal = AttachedJournal(self)
        self.faults = RemoteFaults(self.channel)
        self._declared = {service.name: service for service in declared}
        self._crashes_before: int = 0 if from_start else described["crashes"]
        self._described: dict[str, Mapping[str, Any]] = {one["name"]: one for one in described["services"]}
        self._handles: dict[str, Handle] = {}
        self._end_following = self._follow_crashes(on_crash) if on_crash is not None else None

    @property
    def declarations(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the services as they were declared, in the form of `service_json`; those that can't be told are left out."""
        return {name: one["declaration"] for name, one in self._described.items() if "declaration" in one}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        try:
            if error is None:
                self.check()
        finally:
            self.close()

    def __repr__(self) -> str:
        return f"<AttachedRun {self.id}: {', '.join(self)}>"

    def __getitem__(self, name: str) -> Handle:
        if name not in self._described:
            raise StackError(f"no service {name!r} in this run; {template.near(name, self._described)}")
        if name not in self._handles:
            self._handles[name] = self._handle(self._described[name])
        return self._handles[name]

    def __contains__(self, name: object) -> bool:
        return name in self._described

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._described))

    @property
    def handles(self) -> Mapping[str, Handle]:
        """Return the handle of every service, by name."""
        return {name: self[name] for name in self}

    @property
    def stack(self) -> Stack:
        """Return the declaration of what runs."""
        return Stack(*(self[name].service for name in self))

    @property
    def crashed(self) -> tuple[StackError, ...]:
        """Return an error for each unexpected end of a ready service since this process has joined, or since the start."""
        errors = (error_of(*told) for told in self._crash_channel.ask("crashes", since=self._crashes_before))
        return tuple(error if isinstance(error, StackError) else StackError(str(error)) for error in errors)

    def check(self) -> None:
        """Raise the first of `crashed`.

        Raises:
            ServiceDied: a service, or the guard of the run, has ended.
            HostGone: the whole stack has.
        """
        for error in self.crashed:
            raise error

    def service(self, name: str, kind: type[H]) -> H:
        """Return the handle of a service, typed; raise as `Run.service`."""
        handle = self[name]
        if not isinstance(handle, kind):
            raise StackError(f"the handle of service {name!r} is a {type(handle).__name__}, not a {kind.__name__}")
        return handle

    def mark(self, label: str, **data: Any) -> Event:
        """Note a moment in the journal, with the size of every log."""
        return Event(**self.channel.ask("mark", label=label, data=data))

    @contextmanager
    def add(self, service: Service, **changes: Any) -> Iterator[Handle]:
        """Start one more service, or one otherwise configured, on the live run; stop and forget it at the end of the block.

        Raises as `Run.add`, and StackError where the declaration can't be told to another process.
        """
        self.check()
        service = service.configured(**changes)
        described = self.channel.ask("add", declaration=encode_service(service))
        name = described["name"]
        self._described[name] = described
        self._declared[name] = service.configured(name=name)
        try:
            yield self[name]
        finally:
            self._forget(name)
            self.channel.ask("remove", service=name)

    def close(self) -> None:
        """Leave the stack: end what this process has of it, not the stack."""
        if self._end_following is not None:
            self._end_following()
        for handle in self._handles.values():
            handle.close()
        self._handles.clear()
        self._crash_channel.close()
        self.channel.close()

    def stop(self) -> None:
        """Leave the stack; it goes on for others. `testbeam down` ends it."""
        self.close()

    def _handle(self, described: Mapping[str, Any]) -> Handle:
        name = described["name"]
        if name in self._declared:
            service = self._declared[name]
        elif "declaration" in described:
            service = decode_service(described["declaration"])
        else:
            raise StackError(f"service {name!r} can't be used from here: {described['untold']}")
        lifecycle = RemoteLifecycle(service, RemoteAllocation(self.channel, described), self.channel)
        return handle_class(service)(self, lifecycle)

    def _forget(self, name: str) -> None:
        handle = self._handles.pop(name, None)
        if handle is not None:
            handle.close()
        self._described.pop(name, None)
        self._declared.pop(name, None)

    def _wait_crash(self) -> None:
        """Wait until `check` knows what the journal has told: a run notes the event a moment before the error."""
        deadline, pause = Deadline(_NOTED_S), threading.Event()
        while not self.crashed and not deadline.passed:
            pause.wait(0.001)

    def _follow_crashes(self, on_crash: OnCrash) -> Callable[[], None]:
        def heard(event: Event) -> None:
            if event.kind == "crashed" and event.service in self:
                self._wait_crash()
                on_crash(self[event.service])

        return self.journal.subscribe(heard)


def attach(
    *names: str, fingerprint: str = "", session: str = "", declared: Iterable[Service] = (), on_crash: OnCrash | None = None
) -> AttachedRun:
    """Join the running stack of this name, id or fingerprint; without any, the only one that is up.

    on_crash: called, from a thread, with the handle of a service that ends unexpectedly.

    Raises:
        StackError: there is none, or there are several.
    """
    return AttachedRun(with_fingerprint(fingerprint, session) if fingerprint else registry.find(names)[0], declared, on_crash)


def with_fingerprint(fingerprint: str, session: str = "") -> Entry:
    """Return the newest running stack of this declaration, of a test session or of none.

    Raises:
        StackError: there is none.
    """
    up = [entry for entry in registry.entries() if entry.session == session]
    found = [entry for entry in up if entry.fingerprint == fingerprint]
    if not found:
        raise StackError(
            f"no running stack is of this declaration (fingerprint {fingerprint}); up are: {registry.listed(up)}. "
            "Start it with  testbeam up [FILE] --detach  on the same declaration"
        )
    return found[-1]
