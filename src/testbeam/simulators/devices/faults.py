"""Faults on the way from a simulated device: late, lost, garbled, split, doubled and cut replies, silence, a closed line.

Each fault has a share from 0 to 1 of the replies that it befalls, drawn from the device's seeded generator, or a time.
"""

import random
from dataclasses import dataclass, fields

from testbeam.errors import SettingsError


@dataclass(slots=True, kw_only=True)
class Faults:
    """The faults of one simulator; all 0 is a perfect device."""

    late_s: float = 0.0  # every reply comes so much later
    jitter_s: float = 0.0  # … and up to so much more
    dropped: float = 0.0  # share of replies that are lost
    garbled: float = 0.0  # share of replies with one byte changed
    split_s: float = 0.0  # a reply comes in two pieces, so far apart
    doubled: float = 0.0  # share of replies that come twice
    unterminated: float = 0.0  # share of replies without their terminator
    cut: float = 0.0  # share of replies in the middle of which the connection is closed
    flood: int = 0  # bytes without terminator in place of a reply
    silent: float = 0.0  # 1: requests are taken and answered once this is 0 again
    deaf: float = 0.0  # 1: requests are thrown away

    def change(self, name: str, value: float) -> None:
        """Set one fault.

        Raises:
            SettingsError: there is none of this name, or the value is negative.
        """
        known = [item.name for item in fields(self)]
        if name not in known:
            raise SettingsError("fault", name, f"one of {', '.join(known)}")
        if not value >= 0:
            raise SettingsError("fault", f"{name}={value}", "a number from 0")
        setattr(self, name, int(value) if name == "flood" else float(value))


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes to be sent so many seconds after the request; the connection is closed behind the last one if `closes`."""

    after_s: float
    data: bytes
    closes: bool = False


def spoiled(reply: bytes, terminator: bytes, faults: Faults, chance: random.Random) -> list[Piece]:
    """Return what is sent in place of a reply."""
    if chance.random() < faults.dropped:
        return []
    if faults.flood:
        return [Piece(faults.late_s, b"x" * faults.flood)]
    after_s = faults.late_s + (chance.random() * faults.jitter_s if faults.jitter_s else 0.0)
    if chance.random() < faults.garbled and reply:
        at = chance.randrange(len(reply))
        reply = reply[:at] + bytes([reply[at] ^ 0x15]) + reply[at + 1 :]
    message = reply if chance.random() < faults.unterminated else reply + terminator
    if chance.random() < faults.cut:
        return [Piece(after_s, message[: len(message) // 2], closes=True)]
    times = 2 if chance.random() < faults.doubled else 1
    return [piece for _ in range(times) for piece in _pieces(message, after_s, faults.split_s)]


def _pieces(message: bytes, after_s: float, split_s: float) -> list[Piece]:
    if not split_s or len(message) < 2:
        return [Piece(after_s, message)]
    half = len(message) // 2
    return [Piece(after_s, message[:half]), Piece(after_s + split_s, message[half:])]
