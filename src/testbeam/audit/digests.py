"""Digests: one number for each value, equal where the values are the same, so that columns of them can be compared.

A number of up to 8 bytes stands for itself, bit by bit; everything longer for its 64-bit hash.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Digests = NDArray[np.int64]

NO_ALARM_MESSAGE = "NO ALARM MESSAGE"
ALARM_BYTES = 200
NO_PIXEL = -1
_MIX = np.int64(-7046029254386353131)  # odd, so that multiplying loses nothing


def of_bytes(data: bytes) -> int:
    """Return the hash of some bytes; it holds within this process only."""
    return hash(data)


def of_alarm(severity: int, message: bytes) -> int:
    """Return the digest of an alarm as it is stored."""
    return hash((severity, message.rstrip(b"\0")))


def stored_alarm_message(message: str) -> bytes:
    """Return an alarm's message as it belongs into 200 bytes: never empty, cut at a character."""
    return (message or NO_ALARM_MESSAGE).encode()[:ALARM_BYTES].decode(errors="ignore").encode()


def of_numbers(values: NDArray[Any]) -> Digests:
    """Return the digests of scalars (1-D) or of arrays (2-D, one a row)."""
    if values.ndim > 1:
        return np.array([of_bytes(row.tobytes()) for row in values], np.int64)
    return values.view(f"u{values.itemsize}").astype(np.uint64).view(np.int64)


def of_events(time_of_flight: Digests, pixel_id: Digests) -> Digests:
    """Return the digests of pulses from those of their two columns."""
    with np.errstate(over="ignore"):
        return time_of_flight * _MIX ^ pixel_id
