"""Which folders of the user's cache are the broker's."""

import os
import sys

from testbeam.kafka_distribution.jars import KAFKA_VERSION


class Cache:
    """The folders below one root. Whoever writes there holds the lock."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.jars = os.path.join(root, f"kafka-{KAFKA_VERSION}")
        self.aot = os.path.join(root, "aot")
        self.lock = os.path.join(root, "lock")


def user_cache(given: str = "", environ: "os._Environ[str] | dict[str, str]" = os.environ) -> Cache:
    """Return the cache in the folder `given`, else in that named by TESTBEAM_CACHE, else in the user's own (platformdirs')."""
    root = given or environ.get("TESTBEAM_CACHE", "") or _platform_folder(environ)
    return Cache(os.path.join(os.path.abspath(root), "broker"))


def _platform_folder(environ: "os._Environ[str] | dict[str, str]") -> str:
    platform: str = sys.platform
    if platform == "linux":  # platformdirs' own rule, without the 10 ms of its import
        base = environ.get("XDG_CACHE_HOME", "").strip() or os.path.expanduser("~/.cache")
        return os.path.join(base, "testbeam")
    from platformdirs import user_cache_dir

    return user_cache_dir("testbeam", appauthor=False)
