"""Facts of a failure: events, logs, stacks, transcripts and settings, each cut to the time of the test."""

import json
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from testbeam.kit.journal import Event, read
from testbeam.kit.logs import log_slice, stdout_of
from testbeam.kit.protocols import Evidence, HandleLike, RunLike
from testbeam.kit.state import State
from testbeam.model.time import NS_PER_S
from testbeam.report.failure.stack_dumps import dump

_LONGEST_LOG = 200_000  # bytes
_HUNG = {State.STARTING, State.READY, State.PAUSED, State.STOPPING}
_SECRET = re.compile(r"(?im)^([\w.-]*(?:password|secret|token|jaas|key\.pem)[\w.-]*)\s*=.*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceFacts:
    """One service at the moment of the failure; `log` is what it wrote during the test, `stdout` too where that is kept apart."""

    name: str
    state: str
    pid: int | None
    exit_code: int | None
    endpoints: tuple[str, ...]
    command: str
    log: str
    log_path: str
    stdout: str
    stacks: str
    settings: str
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything a page is made from; events are all those of the run, `begin` and `end` frame the test."""

    test: str
    error: str
    begin: Event
    end: Event
    events: tuple[Event, ...]
    services: tuple[ServiceFacts, ...]

    @property
    def seconds(self) -> float:
        """Return how long the test took."""
        return (self.end.at_ns - self.begin.at_ns) / NS_PER_S

    def during(self) -> Iterator[Event]:
        """Yield the events of the test's own time."""
        return (event for event in self.events if self.begin.at_ns <= event.at_ns <= self.end.at_ns)


def gather(run: RunLike, *, test: str, error: str, begin: Event, end: Event) -> Facts:
    """Ask every service at once; what can't be had is said in its place, so that a bundle never fails for it."""
    handles = list(run.handles.values())
    with ThreadPoolExecutor(max_workers=max(len(handles), 1)) as pool:
        services = tuple(pool.map(lambda handle: _service(handle, begin, end), handles))
    return Facts(test=test, error=error, begin=begin, end=end, events=tuple(run.journal.events), services=services)


def gather_start(run_folder: Path, *, test: str, error: str) -> Facts:
    """Return what a run that did not start has left in its folder.

    Raises:
        ValueError: there is no journal in it.
    """
    path = run_folder / "events.jsonl"
    events = tuple(read(path)) if path.exists() else ()
    if not events:
        raise ValueError(f"there is no journal in {run_folder}")
    services = tuple(_of_start(name, events, run_folder) for name in events[0].data.get("services", ()))
    return Facts(test=test, error=error, begin=events[0], end=events[-1], events=events, services=services)


def _of_start(name: str, events: tuple[Event, ...], run_folder: Path) -> ServiceFacts:
    """Return what the journal and the logs of a run say of a service that nobody can ask any more."""
    own = [event for event in events if event.service == name]
    states = [event.kind for event in own if event.kind in {"starting", "ready", "failed", "crashed", "stopping", "stopped"}]
    known = {key: value for event in own for key, value in event.data.items() if key in {"pid", "code", "address", "ports"}}
    log_path, stdout_path = run_folder / "log" / f"{name}.log", run_folder / "log" / f"{name}.stdout.log"
    bad = next((state for state in states if state in {"failed", "crashed"}), "")
    return ServiceFacts(
        name=name,
        state=bad or (states[-1] if states else "declared"),
        pid=known.get("pid"),
        exit_code=known.get("code"),
        endpoints=tuple(f"{port} {known.get('address', '')}:{number}" for port, number in known.get("ports", {}).items()),
        command="",
        log=_end_of(log_path),
        log_path=str(log_path),
        stdout=_end_of(stdout_path),
        stacks="",
        settings="",
        evidence=tuple(Evidence(title="its probe saw last", text=detail) for detail in _last_seen(own)),
    )


def _last_seen(own: list[Event]) -> list[str]:
    return [str(event.data.get("detail", "")) for event in own if event.kind == "seen"][-1:]


def _end_of(path: Path) -> str:
    """Return the end of a log, from the begin of a line on."""
    if not path.exists():
        return ""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(size - _LONGEST_LOG, 0))
        text = file.read(_LONGEST_LOG).decode(errors="replace")
    return text if size <= _LONGEST_LOG else f"… (+{size - _LONGEST_LOG} bytes before)\n{text.partition(chr(10))[2]}"


def _service(handle: HandleLike, begin: Event, end: Event) -> ServiceFacts:
    service = handle.service
    return ServiceFacts(
        name=handle.name,
        state=str(handle.state),
        pid=handle.pid,
        exit_code=handle.exit_code,
        endpoints=tuple(f"{name} {value}" for name, value in handle.endpoints.items()),
        command=" ".join(map(handle.fill, service.command)),
        log=log_slice(begin, end, handle.name, handle.log_path, _LONGEST_LOG),
        log_path=str(handle.log_path),
        stdout=_stdout(handle, begin, end),
        stacks=dump(handle) if handle.state in _HUNG and not service.external else "",
        settings=_settings(handle),
        evidence=tuple(_evidence(handle, begin)),
    )


def _stdout(handle: HandleLike, begin: Event, end: Event) -> str:
    if handle.stdout_path == handle.log_path:
        return ""
    return log_slice(begin, end, stdout_of(handle.name), handle.stdout_path, _LONGEST_LOG)


def without_secrets(text: str) -> str:
    """Return a configuration file with the values of passwords and keys left out."""
    return _SECRET.sub(r"\1=…", text)


def _settings(handle: HandleLike) -> str:
    parts = [f"# {name}\n{without_secrets(handle.fill(text))}" for name, text in handle.service.files.items()]
    own = {name: handle.fill(value) for name, value in handle.service.env.items()}
    return "\n".join([*parts, *([f"# environment\n{json.dumps(own, indent=1)}"] if own else [])])


def _evidence(handle: HandleLike, begin: Event) -> Iterable[Evidence]:
    try:
        return handle.evidence(begin)
    except Exception as error:  # a role's code, asked while its service may be dead
        return [Evidence(title="evidence", text=f"could not be gathered: {type(error).__name__}: {error}")]
