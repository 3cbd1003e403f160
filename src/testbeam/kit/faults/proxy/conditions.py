"""Under which conditions bytes travel over a link, in one direction, and what several conditions at once amount to.

The words are Toxiproxy's where it has one: latency, jitter, rate (bandwidth), slicer, limit_data, slow_close, reset_peer, down.
"""

from dataclasses import dataclass
from functools import reduce
from typing import TypeVar

N = TypeVar("N", int, float)

_BURST_MS = 10  # what a rate lets through in one piece
_LARGEST_PIECE = 65536
_QUEUE_BYTES = 65536  # of a slow link, like a router's
_LONG_QUEUE_BYTES = 64 << 20  # of a link that is only long: what is under way must fit, however fast it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """One direction's conditions; without any word set it carries everything at once.

    rate_kbps: kilobits, of 1000, a second. slice_bytes: pieces sent apart, each `slice_delay_ms` after the one before.
    limit_bytes: the connection is closed after so many more. slow_close_ms: how much later its end is passed on. stalled: nothing
    moves and nothing is lost, as with a cable unplugged for a while. black_hole: what comes is swallowed. reset: connections are
    reset. down: connections are reset and new ones refused.
    """

    latency_ms: float = 0.0
    jitter_ms: float = 0.0
    rate_kbps: float = 0.0
    slice_bytes: int = 0
    slice_delay_ms: float = 0.0
    limit_bytes: int = -1
    slow_close_ms: float = 0.0
    stalled: bool = False
    black_hole: bool = False
    reset: bool = False
    down: bool = False
    seed: int = 0

    @property
    def largest_piece(self) -> int:
        """Return how many bytes may go at once; 0 for any number."""
        by_rate = min(max(int(self.rate_kbps * _BURST_MS / 8), 1), _LARGEST_PIECE) if self.rate_kbps else 0
        return min(by_rate or self.slice_bytes, self.slice_bytes or by_rate)

    @property
    def room_bytes(self) -> int:
        """Return how much may be under way before the sender has to wait."""
        if self.rate_kbps:
            return _QUEUE_BYTES + int(self.rate_kbps * self.latency_ms / 8)
        return _LONG_QUEUE_BYTES if self.latency_ms or self.jitter_ms else _QUEUE_BYTES

    @property
    def longest_ms(self) -> float:
        """Return the longest delay of a byte on an idle link."""
        return self.latency_ms + self.jitter_ms

    def cost_ns(self, size: int) -> int:
        """Return how long the link is busy with so many bytes."""
        return int(size * 8e6 / self.rate_kbps) if self.rate_kbps else 0


CLEAR = Conditions()


def combined(*conditions: Conditions) -> Conditions:
    """Return what all of these amount to at once: delays add up, the lowest of the limits counts, and one failure is enough."""
    return reduce(_both, conditions, CLEAR)


def _both(one: Conditions, other: Conditions) -> Conditions:
    return Conditions(
        latency_ms=one.latency_ms + other.latency_ms,
        jitter_ms=one.jitter_ms + other.jitter_ms,
        rate_kbps=_lowest(one.rate_kbps, other.rate_kbps),
        slice_bytes=_lowest(one.slice_bytes, other.slice_bytes),
        slice_delay_ms=one.slice_delay_ms + other.slice_delay_ms,
        limit_bytes=min((limit for limit in (one.limit_bytes, other.limit_bytes) if limit >= 0), default=-1),
        slow_close_ms=max(one.slow_close_ms, other.slow_close_ms),
        stalled=one.stalled or other.stalled,
        black_hole=one.black_hole or other.black_hole,
        reset=one.reset or other.reset,
        down=one.down or other.down,
        seed=one.seed ^ other.seed,
    )


def _lowest(one: N, other: N) -> N:
    return min(one or other, other or one)
