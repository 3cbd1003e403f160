"""Constants of time: how many of one unit make another, where EPICS begins to count, and which times a message can have."""

from typing import Final

MS_PER_S: Final = 1_000
NS_PER_US: Final = 1_000
NS_PER_MS: Final = 1_000_000
NS_PER_S: Final = 1_000_000_000
MS_PER_DAY: Final = 86_400_000
NS_PER_DAY: Final = MS_PER_DAY * NS_PER_MS

EPICS_EPOCH_S: Final = 631_152_000
"""1990-01-01 00:00 UTC, from which EPICS counts seconds, in seconds since 1970."""
EPICS_EPOCH_NS: Final = EPICS_EPOCH_S * NS_PER_S


def sound_ns(time_ns: int) -> int:
    """Return a message's time, ns since 1970; 0, which is none, for one before 1970 or, beyond int64, after 2262."""
    return time_ns if 0 < time_ns < 2**63 else 0
