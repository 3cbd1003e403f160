"""Preparation before the first start: jars fetched and checked, the start-up cache trained; one process at a time."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from testbeam.errors import FetchError
from testbeam.kafka_distribution import aot, fetch, installation, jars
from testbeam.kafka_distribution.aot import AotCache
from testbeam.kafka_distribution.cache import Cache, user_cache
from testbeam.kafka_distribution.installation import Installation
from testbeam.kafka_distribution.options import LaunchOptions

Progress = Callable[[int], None]


class Teller(Protocol):
    """Tells the user what takes its time."""

    def say(self, text: str) -> None:
        """Tell one line."""

    def bar(self, text: str, total: int) -> AbstractContextManager[Progress]:
        """Show progress, in bytes, for the time of the block."""

    def busy(self, text: str) -> AbstractContextManager[None]:
        """Show that something goes on for the time of the block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What a start needs. `aot` is None where Java can't have a start-up cache; it may be untrained, and says why."""

    cache: Cache
    installation: Installation
    aot: AotCache | None


def prepare(
    options: LaunchOptions, teller: Teller, *, verify: bool = False, settle: Callable[[Installation, AotCache], None] | None = None
) -> Prepared:
    """Put the jars in place; `verify` checks them whatever their marks say. settle: sees to the start-up cache, under the same lock.

    Raises:
        FetchError: a jar can't be had; the message has the ways out.
        SettingsError: KAFKA_HOME or Java is not what it should be.
    """
    cache = user_cache(options.cache_folder)
    found = installation.find(options, cache)
    with _locked(cache, teller):
        if found.is_pinned:
            _complete(Path(cache.jars), teller, verify=verify)
            found.missing = []
        start_up = aot.of(found, cache)
        if start_up is not None and settle is not None:
            settle(found, start_up)
    return Prepared(cache=cache, installation=found, aot=start_up)


@contextmanager
def _locked(cache: Cache, teller: Teller) -> Iterator[None]:
    from filelock import FileLock, Timeout

    try:
        Path(cache.root).mkdir(parents=True, exist_ok=True)
        lock = FileLock(cache.lock)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            teller.say(f"another process prepares the broker; waiting for it ({cache.lock})")
            lock.acquire()
    except OSError as error:  # a cache that can only be read needs no lock
        teller.say(f"the cache can't be written ({error}); using what is there (TESTBEAM_CACHE=FOLDER names another)")
        yield
        return
    try:
        yield
    finally:
        lock.release()


def _complete(folder: Path, teller: Teller, *, verify: bool) -> None:
    pinned = jars.pinned()
    wanted = pinned if verify else jars.not_marked(str(folder), pinned)
    if not wanted:
        return
    total = sum(jar.size for jar in wanted)
    try:
        with teller.bar(f"Apache Kafka {jars.KAFKA_VERSION}: {len(wanted)} jars, {total / 1e6:.0f} MB, to {folder}", total) as progress:
            done = fetch.complete(folder, wanted, progress)
    except OSError as error:
        raise fetch.not_written(folder, error) from error
    except FetchError as error:
        there = len(pinned) - len(jars.not_marked(str(folder), pinned))
        raise fetch.ways_out(folder, str(error), there, len(pinned)) from error
    teller.say(f"{done.checked} jars found whole, {done.fetched} fetched from Maven Central, all with the pinned sha256")
