"""The running stack of a session's tests: one that is up, one that all xdist workers share, or one of this process."""

import fcntl
import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from testbeam.errors import StackError, TestbeamError
from testbeam.hosting import registry
from testbeam.hosting.attached import AttachedRun, with_fingerprint
from testbeam.hosting.detaching import detach, prepare
from testbeam.hosting.ending import end
from testbeam.hosting.hosted import StackInfo
from testbeam.hosting.registry import Entry
from testbeam.hosting.run_control import error_of, told_of
from testbeam.kit import debugger, interrupts
from testbeam.kit.journal import Subscriber
from testbeam.kit.protocols import RunLike
from testbeam.kit.state import State
from testbeam.pytest_plugin import telling
from testbeam.pytest_plugin.keys import ATTACH, CRASHES, REPLACEMENT_PREFIX, REPLACEMENTS, STACK, WAIT, WORKER_INPUT
from testbeam.stacks.fingerprint import differences, fingerprint

if TYPE_CHECKING:
    from testbeam.kit.handle import Handle
    from testbeam.kit.stack import Stack
    from testbeam.stacks.replacing import Replacement

OnCrash = Callable[["Handle"], None]


@contextmanager
def shared(stack: "Stack", config: pytest.Config) -> Iterator[RunLike]:
    """Give the stack that all tests of a session share.

    Raises:
        TestbeamError: it could not be started or joined.
    """
    watch = config.stash[CRASHES]
    stack = as_asked(stack, config)
    session = getattr(config, "workerinput", {}).get(WORKER_INPUT)
    if name := config.getoption(STACK):
        with AttachedRun(registry.find([name])[0], (), watch.crashed) as run:
            yield run
    elif config.getoption(ATTACH):
        with _joined(_running(stack), stack, watch.crashed) as run:
            yield run
    elif session is not None:
        with _joined(_of_session(stack, session, config), stack, watch.crashed, from_start=True) as run:  # one is broken for all workers
            yield run
    else:
        with _started(stack, config) as run:
            yield run
            if not watch.told:
                run.check()


class SharedRuns:
    """The running stacks of a session: each is started once, however many tests have it; the session's end stops them."""

    def __init__(self, config: pytest.Config) -> None:
        self.first: Stack | None = None  # the one that the fixture `shared_run` was made for
        self._config = config
        self._known: list[tuple[Stack, RunLike | TestbeamError]] = []
        self._until_the_end = ExitStack()

    def of(self, stack: "Stack") -> RunLike:
        """Return the run of a stack.

        Raises:
            TestbeamError: it could not be started or joined, now or before.
        """
        found = next((known for declared, known in self._known if declared == stack), None)
        if found is None:
            try:
                found = self._until_the_end.enter_context(shared(stack, self._config))
            except TestbeamError as error:
                found = error
            self._known.append((stack, found))
        if isinstance(found, TestbeamError):
            raise found
        return found

    def __enter__(self) -> "SharedRuns":
        return self

    def __exit__(self, *_: object) -> None:
        self._until_the_end.close()


def as_asked(stack: "Stack", config: pytest.Config) -> "Stack":
    """Return the stack with what the options put in the place of its roles; relative paths begin where pytest was called.

    Raises:
        TestbeamError: an option can't be used.
    """
    replacements = replacements_of(config)
    if not replacements:
        return stack
    from testbeam.stacks.replacing import apply

    return apply(stack, replacements, here=Path(config.invocation_params.dir))


def replacements_of(config: pytest.Config) -> "tuple[Replacement, ...]":
    """Return what the options ask for, whatever the stack.

    Raises:
        SettingsError: one is not of its form.
    """
    words = {kind: config.getoption(option) for kind, option in REPLACEMENTS.items()}
    if not any(words.values()):
        return ()
    from testbeam.stacks.replacing import parse_replacements  # late: few sessions replace something

    return parse_replacements(**words, prefix=REPLACEMENT_PREFIX)


def _held(stack: "Stack", config: pytest.Config) -> "Stack":
    """Return the stack as the user wants to debug it: with the services held that were asked for."""
    wanted = config.getoption(WAIT)
    return stack if wanted is None else debugger.held(stack, [wanted])


def _teller(held: "Stack", config: pytest.Config) -> Subscriber | None:
    """Return what tells the user at the terminal, past pytest's capturing, how to attach to a held service."""
    if config.getoption(WAIT) is None:
        return None
    return debugger.announcer(held, lambda words: telling.say(config, words))


def _preparing_seen(stack: "Stack", config: pytest.Config) -> AbstractContextManager[None]:
    """Let the terminal show what services are prepared with, where they are: that takes its time, as to fetch Kafka does."""
    return telling.uncaptured(config) if any(service.prepare for service in stack.services) else nullcontext()


@contextmanager
def own(stack: "Stack", config: pytest.Config) -> Iterator[RunLike]:
    """Start a stack in this process, and stop it at the end; its folder stays if something ended unasked."""
    with _started(as_asked(stack, config), config) as run:
        yield run


@contextmanager
def _started(stack: "Stack", config: pytest.Config) -> Iterator[RunLike]:
    held = _held(stack, config)
    run = held.run(on_crash=config.stash[CRASHES].crashed, on_event=_teller(held, config))
    with interrupts.as_ctrl_c(signal.SIGTERM, signal.SIGHUP):  # an orderly end: the run leaves nothing behind
        with _preparing_seen(held, config):
            run.start()
        try:
            yield run
        finally:
            run.keep = run.keep or bool(run.crashed)
            try:
                run.stop()
            except KeyboardInterrupt:  # pytest has no word for one that comes while it ends already, only a long traceback
                pytest.exit("Ctrl-C while the stack was being stopped: what was left of it was killed", pytest.ExitCode.INTERRUPTED)


def end_session(key: str) -> None:
    """End what the workers of a session have shared; nothing is made or read where they shared nothing."""
    folder = registry.session_folder(key)
    if not folder.exists():
        return
    for entry in registry.entries():
        if entry.session == key:
            end(entry)
    registry.forget_session(key)


@contextmanager
def _joined(entry: Entry, stack: "Stack", on_crash: OnCrash, *, from_start: bool = False) -> Iterator[AttachedRun]:
    run = AttachedRun(entry, stack.services, on_crash, from_start=from_start)
    try:
        yield run
    finally:
        run.close()


def _running(stack: "Stack") -> Entry:
    """Return the stack that the user keeps up, which has to be whole."""
    try:
        entry = with_fingerprint(fingerprint(stack))
    except StackError as error:
        raise StackError(f"{error}{_how_they_differ(stack)}") from None
    with _joined(entry, stack, lambda _: None) as run:
        broken = [f"{name} is {handle.state}" for name, handle in run.handles.items() if handle.state in {State.CRASHED, State.FAILED}]
    if broken:
        raise StackError(f"stack {entry.id} is up, but {', '.join(broken)}; start it again:  testbeam restart SERVICE")
    return entry


def _how_they_differ(stack: "Stack") -> str:
    """Return, a line for each stack that is up, in which service and field it differs from the declaration."""
    lines = []
    for entry in registry.entries():
        if entry.is_ready and not entry.session:
            with suppress(TestbeamError), AttachedRun(entry) as run:
                lines.append(
                    f"\n  {entry.name} ({entry.id}) differs: {'; '.join(differences(stack, run.declarations)) or 'in its version'}"
                )
    return "".join(lines) + (f"\nTo join one all the same: {STACK} NAME" if lines else "")


def _of_session(stack: "Stack", session: dict[str, str], config: pytest.Config) -> Entry:
    """Return the stack of a session; the first worker that wants it has it started, and a start that failed is not tried again."""
    key, known = session["key"], fingerprint(stack)
    folder = registry.make_session_folder(key)
    failed = folder / f"{known}.failed"
    with _locked(folder / f"{known}.lock"):
        if failed.exists():
            raise error_of(**json.loads(failed.read_text(encoding="utf-8")))
        found = [entry for entry in registry.entries() if (entry.session, entry.fingerprint) == (key, known)]
        if found:
            return found[-1]
        label = StackInfo(name="pytest", fingerprint=known, session=key)
        try:
            with _preparing_seen(stack, config):
                prepare(stack)
            return detach(stack, label, watched=(int(session["pid"]), session["started_at"]))
        except TestbeamError as error:
            failed.write_text(json.dumps(told_of(error)), encoding="utf-8")
            raise


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that the kernel gives back, however its owner ends."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
