"""Folders of the user's cache that are the broker's."""

import os
import sys

from testbeam.errors import SettingsError
from testbeam.kafka_distribution.jars import KAFKA_VERSION


class Cache:
    """The folders below one root. Whoever writes there holds the lock."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.jars = os.path.join(root, f"kafka-{KAFKA_VERSION}")
        self.aot = os.path.join(root, "aot")
        self.lock = os.path.join(root, "lock")


def user_cache(given: str = "", environ: "os._Environ[str] | dict[str, str]" = os.environ) -> Cache:
    """Return the cache in the folder `given`, else in that named by TESTBEAM_CACHE, else in the user's own (platformdirs').

    Raises:
        SettingsError: the user has no home folder, or the folder's path has a colon.
    """
    root = os.path.abspath(given or environ.get("TESTBEAM_CACHE", "") or _platform_folder(environ))
    if os.pathsep in root:
        raise SettingsError("TESTBEAM_CACHE", root, f"a folder without {os.pathsep!r} in its path, which Java's class path can't have")
    return Cache(os.path.join(root, "broker"))


def _platform_folder(environ: "os._Environ[str] | dict[str, str]") -> str:
    platform: str = sys.platform
    if platform == "linux":  # platformdirs' own rule, without the 10 ms of its import
        base = environ.get("XDG_CACHE_HOME", "").strip() or os.path.expanduser("~/.cache")
        if base.startswith("~"):
            raise SettingsError("TESTBEAM_CACHE", "", "a folder for Apache Kafka: this user has no home folder (HOME is not set)")
        return os.path.join(base, "testbeam")
    from platformdirs import user_cache_dir

    return user_cache_dir("testbeam", appauthor=False)
