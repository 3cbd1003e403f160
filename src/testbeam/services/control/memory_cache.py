"""Values kept in memory, for a session without a cache: no history, and nobody else sees them."""

import threading
import time
from collections.abc import Callable
from typing import Any

from testbeam.transport.nicos.cache import CacheValue


class MemoryCache:
    """A dict that has the cache's form; `tell` is called with each change."""

    def __init__(self, tell: Callable[[str, CacheValue], None] | None = None) -> None:
        self._values: dict[str, CacheValue] = {}
        self._tell = tell
        self._lock = threading.Lock()

    def get(self, key: str) -> CacheValue | None:
        """Return a key's value."""
        return self._values.get(key)

    def put(self, key: str, value: Any, *, time_s: float | None = None, ttl_s: float | None = None, no_store: bool = False) -> None:  # noqa: ARG002
        """Set a key."""
        new = CacheValue(value, time.time() if time_s is None else time_s, ttl_s)
        with self._lock:
            self._values[key] = new
        if self._tell is not None:
            self._tell(key, new)

    def items(self) -> list[tuple[str, CacheValue]]:
        """Return all keys."""
        with self._lock:
            return list(self._values.items())
