"""Fetching of the pinned jars from Maven Central into the cache: by jgo, checked, renamed when whole."""

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from testbeam.errors import FetchError
from testbeam.kafka_distribution import certificates
from testbeam.kafka_distribution.jars import KAFKA_VERSION, VERIFIED_S, Jar

_AT_ONCE = 6
_ATTEMPTS = 3
_TIMEOUT_S = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What was done for the jars of a list: how many were found whole after hashing, and how many were fetched."""

    checked: int
    fetched: int


def complete(folder: Path, jars: list[Jar], progress: Callable[[int], None]) -> Fetched:
    """Make every jar of the list whole in `folder`; `progress` is told bytes as they are checked or arrive, from several threads.

    Raises:
        FetchError: one could not be had; what was fetched so far stays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    bad = [jar for jar in jars if not _check(folder / jar.file, jar, progress)]
    if bad:
        _fetch_all(folder, bad, progress)
    return Fetched(checked=len(jars) - len(bad), fetched=len(bad))


def is_whole(path: Path, jar: Jar) -> bool:
    """Tell whether a file has the size and the sha256 of its line in the list."""
    try:
        if path.stat().st_size != jar.size:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == jar.sha256
    except OSError:
        return False


def _check(path: Path, jar: Jar, progress: Callable[[int], None]) -> bool:
    """Hash a file that is there, and mark it if it is whole."""
    if not is_whole(path, jar):
        return False
    os.utime(path, (VERIFIED_S, VERIFIED_S))
    progress(jar.size)
    return True


def _fetch_all(folder: Path, jars: list[Jar], progress: Callable[[int], None]) -> None:
    _check_room(folder, sum(jar.size for jar in jars))
    with (
        certificates.trusted(),
        tempfile.TemporaryDirectory(prefix="incoming-", dir=folder) as incoming,
        ThreadPoolExecutor(_AT_ONCE) as threads,
    ):
        pending = [threads.submit(_fetch, jar, folder, Path(incoming), progress) for jar in jars]
        try:
            for one in pending:
                one.result()
        except BaseException:
            threads.shutdown(wait=True, cancel_futures=True)
            raise


def _check_room(folder: Path, wanted: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < wanted:
        raise OSError(errno.ENOSPC, f"{free / 1e6:.0f} MB are free and {wanted / 1e6:.0f} MB needed", str(folder))


def _fetch(jar: Jar, folder: Path, incoming: Path, progress: Callable[[int], None]) -> None:
    trouble = ""
    for attempt in range(_ATTEMPTS):
        arrived = _Arrived(progress)
        try:
            path = _download(jar, incoming / f"{attempt}", arrived)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise
            trouble = f"{type(error).__name__}: {error}"
        except Exception as error:  # jgo and requests raise many kinds; each is one reason to try again
            trouble = f"{type(error).__name__}: {error}"
        else:
            if is_whole(path, jar):
                _install(path, folder / jar.file)
                progress(jar.size - arrived.bytes)
                return
            trouble = (
                f"what came has {path.stat().st_size} bytes and is not the jar of the pinned list ({jar.size} bytes, sha256 {jar.sha256})"
            )
        arrived.take_back()
    raise FetchError(f"{jar.file} could not be fetched in {_ATTEMPTS} attempts: {trouble}")


def _download(jar: Jar, repository: Path, arrived: "_Arrived") -> Path:
    """Let jgo bring one jar."""
    from jgo.maven import MavenContext, PythonResolver

    resolver = PythonResolver(progress_callback=arrived.watch)
    context = MavenContext(resolver=resolver, repo_cache=repository, remote_repos=repositories(), timeout=_TIMEOUT_S)
    artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
    return Path(artifact.resolve())


@cache
def repositories() -> dict[str, str]:
    """Return where jgo looks: first the repositories of the user's own jgo settings, then Maven Central."""
    from jgo.config import GlobalSettings
    from jgo.maven import MavenContext

    return {**GlobalSettings.load().repositories, **MavenContext().remote_repos}


def _install(path: Path, target: Path) -> None:
    """Mark a whole jar and give it its name; on disk first, since the mark is believed ever after."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
    os.utime(path, (VERIFIED_S, VERIFIED_S))
    path.replace(target)


class _Arrived:
    """Counts the bytes of one attempt, so that a failed one can be taken off the progress again."""

    def __init__(self, progress: Callable[[int], None]) -> None:
        self.bytes = 0
        self._progress = progress

    def add(self, size: int) -> None:
        self.bytes += size
        self._progress(size)

    def take_back(self) -> None:
        self._progress(-self.bytes)

    @contextmanager
    def watch(self, _name: str, _size: int) -> Iterator[Any]:
        """Be jgo's progress callback."""
        yield self.add


def not_written(folder: Path, error: OSError) -> FetchError:
    """Return the error for a cache folder that can't be written or is full, with the variable that names another."""
    why = f"there is no room in it ({error.strerror})" if error.errno == errno.ENOSPC else f"it can't be written: {error.strerror}"
    return FetchError(
        f"Apache Kafka {KAFKA_VERSION} belongs into the cache folder {folder}, and {why}; "
        "name another by TESTBEAM_CACHE=FOLDER, or use a Kafka that is here: KAFKA_HOME, or --bootstrap HOST:PORT"
    )


def ways_out(root: Path, trouble: str, there: int, wanted: int) -> FetchError:
    """Return the error for a cache that could not be filled, with all that can be done instead."""
    if "CERTIFICATE_VERIFY_FAILED" in trouble:
        trust = certificates.authorities() or "the list that comes with certifi"
        trouble += f"\nThe certificate is of no authority in {trust}: name the file with yours, {certificates.VARIABLE}=FILE"
    return FetchError(
        f"Apache Kafka {KAFKA_VERSION} could not be fetched from Maven Central: {trouble}\n"
        f"{there} of {wanted} jars are in {root}. Ways out:\n"
        f"  - connect this machine (or set HTTPS_PROXY) and run: testbeam broker fetch\n"
        f"  - run that on a connected machine, and copy its cache folder to {root}\n"
        f"  - use a Kafka that is here: set KAFKA_HOME to the folder of an unpacked Kafka 4\n"
        f"  - use a broker that runs already: --bootstrap HOST:PORT"
    )
