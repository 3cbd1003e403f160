"""Registry of the stacks of this user that are up: one small file each, in a folder that nobody else may read."""

import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from testbeam.errors import StackError
from testbeam.hosting import processes
from testbeam.kit.run_folder import lock

NAME = "testbeam"
SMOKE = "smoke"  # the session of a smoke run's stack
_ROOT = 0
_LOG = "host-"
_LOG_KEPT_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One running stack. `started_at` is when its host was started, in the kernel's words: a pid alone may be another's by now.

    `session` is the test session, or `SMOKE`, that it ends with, empty for one that stays until it is told to end. One that `is_ready`
    is not yet has no socket: it can be seen and ended, no more.
    """

    id: str
    name: str
    fingerprint: str
    pid: int
    started_at: str
    socket: str
    folder: str
    wall_s: float
    endpoints: Mapping[str, Mapping[str, str]]
    file: str = ""
    log: str = ""
    session: str = ""
    env_names: Mapping[str, str] = field(default_factory=dict)
    is_ready: bool = True

    def is_alive(self) -> bool:
        """Return whether its host lives."""
        return processes.is_same(self.pid, self.started_at)


def runtime_folder() -> Path:
    """Return this user's folder for what lives only as long as the machine is up.

    Raises:
        StackError: it belongs to somebody else, or can't be made.
    """
    folder = _platform_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        foreign = {one.stat().st_uid for one in (folder, folder.parent)} - {os.getuid(), _ROOT}
    except OSError as error:
        raise StackError(f"folder {folder}: {error.strerror}; set XDG_RUNTIME_DIR to a folder of your own") from None
    if foreign:
        raise StackError(f"folder {folder} belongs to user {foreign.pop()}; set XDG_RUNTIME_DIR to a folder of your own")
    folder.chmod(0o700)
    return folder


def _platform_folder() -> Path:
    import warnings  # late, both: only who looks for running stacks needs them

    from platformdirs import user_runtime_dir

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # without XDG_RUNTIME_DIR it falls back to a folder that is checked by our caller
        return Path(user_runtime_dir(NAME, appauthor=False))


def stacks_folder() -> Path:
    """Return the folder of the entries."""
    folder = runtime_folder() / "stacks"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def session_folder(key: str) -> Path:
    """Return where the workers of a test session leave word for each other; it need not exist."""
    return _platform_folder() / "sessions" / key


def make_session_folder(key: str) -> Path:
    """Return that folder, made."""
    folder = runtime_folder() / "sessions" / key
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def forget_session(key: str) -> None:
    """Remove what a session has left."""
    import shutil

    shutil.rmtree(session_folder(key), ignore_errors=True)


def register(entry: Entry) -> None:
    """Make a running stack known, at once and as a whole."""
    path = _path(entry.id)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(asdict(entry), indent=1) + "\n", encoding="utf-8")
    part.chmod(0o600)
    part.replace(path)


def forget(stack_id: str) -> None:
    """Remove an entry; one that is not there is fine."""
    _path(stack_id).unlink(missing_ok=True)


def entries(*, starting: bool = False) -> tuple[Entry, ...]:
    """Return all stacks that are up, the oldest first, and on demand those that are only starting.

    Entries whose host is surely dead, and what it left, are removed.
    """
    alive: list[Entry] = []
    _remove_logs()
    for path in stacks_folder().glob("*.json"):
        data = _read(path)
        entry = _entry(data)
        if entry is not None and entry.is_alive():
            alive.append(entry)
        elif _is_over(data):
            _prune(path, data)
    return tuple(sorted((entry for entry in alive if starting or entry.is_ready), key=lambda entry: entry.wall_s))


def find(names: Iterable[str] = (), *, starting: bool = False) -> tuple[Entry, ...]:
    """Return the stacks of these names or ids (the first letters of an id will do); without any, the only one that is up.

    Stacks that end with a test session have to be named. starting: take in those that are not ready yet.

    Raises:
        StackError: none is up, a name fits none or several, or none was named and there are several.
    """
    names, up = tuple(names), entries(starting=starting)
    if names and up:
        return tuple({(found := _one(name, up)).id: found for name in names}.values())
    lasting = tuple(entry for entry in up if not entry.session)  # those of test sessions are nobody's but theirs
    if not lasting:
        being = "" if starting else ", ".join(entry.name for entry in entries(starting=True) if not entry.is_ready and not entry.session)
        raise StackError(f"no stack of yours is up{f' yet, but starting: {being}' if being else '; start one: testbeam up --detach'}")
    if len(lasting) > 1:
        raise several(lasting)
    return lasting


def several(up: Sequence[Entry]) -> StackError:
    """Return the error of who means one stack, where several fit."""
    return StackError(f"{len(up)} stacks are up; say which, by id or name (`down ID`, `env ID`, else `--stack ID`): {listed(up)}")


def listed(up: Iterable[Entry]) -> str:
    """Return stacks as an error lists them."""
    return ", ".join(f"{entry.id} ({entry.name})" for entry in up) or "none"


def _one(name: str, up: tuple[Entry, ...]) -> Entry:
    fits = [entry for entry in up if entry.name == name or entry.id.startswith(name)]
    if len(fits) == 1:
        return fits[0]
    what = "several stacks fit {!r}; give one's id: {}" if fits else "no stack fits {!r}; there are {}"
    raise StackError(what.format(name, listed(fits or up)))


def _path(stack_id: str) -> Path:
    return stacks_folder() / f"{stack_id}.json"


def _read(path: Path) -> Mapping[str, Any]:
    """Return what an entry's file says; nothing where it can't be read, now or ever."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _entry(data: Mapping[str, Any]) -> Entry | None:
    try:
        return Entry(**{one.name: data[one.name] for one in fields(Entry)})
    except KeyError:
        return None  # of another version, which may well be up


def _is_over(data: Mapping[str, Any]) -> bool:
    pid, started_at = data.get("pid"), data.get("started_at")
    return isinstance(pid, int) and isinstance(started_at, str) and processes.is_over(pid, started_at)


def log_path() -> Path:
    """Return a new file for what the process that hosts a detached stack has to say; `keep_log` is its first deed."""
    return stacks_folder() / f"{_LOG}{os.urandom(4).hex()}.log"


def keep_log(fd: int) -> None:
    """Hold a log for as long as this process lives: others remove only what nobody holds."""
    lock(fd)


def _remove_logs() -> None:
    """Remove logs of hosts that were killed, once there was time to read them."""
    for path in stacks_folder().glob(f"{_LOG}*.log"):
        with suppress(OSError):
            if path.stat().st_mtime > time.time() - _LOG_KEPT_S:
                continue
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                if lock(fd):
                    path.unlink()
            finally:
                os.close(fd)


def _prune(path: Path, data: Mapping[str, Any]) -> None:
    with suppress(OSError):
        path.unlink()
    if log := data.get("log"):
        with suppress(OSError):
            Path(str(log)).unlink()
