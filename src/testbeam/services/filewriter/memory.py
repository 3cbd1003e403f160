"""Memory of the C library: what it keeps of what was freed, and what it gives back. Of glibc alone; elsewhere nothing is done."""

import ctypes
from typing import Any

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's own numbers
_KEPT_BYTES = 16 * 2**20  # of some portions; with four times as much a writer grows from job to job
_LARGEST_BYTES = 8 * 2**20  # of one array that is made anew for each portion


def keep_freed() -> None:
    """Let what was freed serve the next portion: else megabytes go back to the system, and every page of the next ones is a fault.

    It is half of the time it takes to decode events.
    """
    mallopt = _of_libc("mallopt")
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _LARGEST_BYTES)
        mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)


def give_back() -> None:
    """Give back what is kept of a job: each Kafka client's threads leave heaps of their own behind, 30 MB a job."""
    trim = _of_libc("malloc_trim")
    if trim is not None:
        trim(0)


def _of_libc(name: str) -> Any:
    return getattr(ctypes.CDLL(None), name, None)
