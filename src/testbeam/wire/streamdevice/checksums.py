"""Checksums over bytes, by the names that protocols call them.

Source: docs/reference/contracts/ioc.md, "Checksums", which gives each one's value over "123456789".
"""

import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

Sum = Callable[[bytes, int], int]

_HEX = frozenset(b"0123456789abcdefABCDEF")


@dataclass(frozen=True, slots=True)
class Checksum:
    """One checksum: how it is computed from its initial value, what the result is combined with, and its length in bytes."""

    name: str
    function: Sum
    initial: int
    final: int  # exclusive-or
    length: int

    def of(self, data: bytes) -> int:
        """Return the checksum of data."""
        return (self.final ^ self.function(data, self.initial)) & ((1 << 8 * self.length) - 1)


@cache
def _crc_table(polynomial: int, width: int) -> tuple[int, ...]:
    """Return the checksum of each single byte, the highest bit first."""
    top, mask = 1 << (width - 1), (1 << width) - 1

    def step(crc: int) -> int:
        return (crc << 1 ^ (polynomial if crc & top else 0)) & mask

    return tuple(_shifted(byte << (width - 8), step) for byte in range(256))


@cache
def _reflected_table(polynomial: int) -> tuple[int, ...]:
    """Return the checksum of each single byte, the lowest bit first; the polynomial is reflected, too."""
    return tuple(_shifted(byte, lambda crc: crc >> 1 ^ polynomial if crc & 1 else crc >> 1) for byte in range(256))


def _shifted(crc: int, step: Callable[[int], int]) -> int:
    for _ in range(8):
        crc = step(crc)
    return crc


def _crc(polynomial: int, width: int) -> Sum:
    def crc(data: bytes, initial: int) -> int:
        table, mask, value = _crc_table(polynomial, width), (1 << width) - 1, initial & ((1 << width) - 1)
        for byte in data:
            value = table[(value >> (width - 8) ^ byte) & 0xFF] ^ value << 8 & mask
        return value

    return crc


def _reflected(polynomial: int) -> Sum:
    def crc(data: bytes, initial: int) -> int:
        table, value = _reflected_table(polynomial), initial
        for byte in data:
            value = table[(value ^ byte) & 0xFF] ^ value >> 8
        return value

    return crc


def _sum(data: bytes, initial: int) -> int:
    return initial + sum(data)


def _xor(data: bytes, initial: int) -> int:
    for byte in data:
        initial ^= byte
    return initial


def _bits(data: bytes, initial: int) -> int:
    return initial + int.from_bytes(data, "big").bit_count()


def _digits(data: Iterable[int]) -> list[int]:
    return [int(chr(byte), 16) for byte in data if byte in _HEX]


def _hex_digits(data: bytes, initial: int) -> int:
    return initial + sum(_digits(data))


def _cpi(data: bytes, initial: int) -> int:
    return ((initial - (len(data) << 5) + sum(data)) & 0xFFFFFFFF) % 95 + 32


def _leybold(data: bytes, initial: int) -> int:
    value = ~_sum(data, initial) & 0xFF
    return value + 32 if value < 32 else value


def _brooks(data: bytes, initial: int) -> int:
    value = initial + sum(byte & 0x7F for byte in data)
    return ((value >> 6 ^ value) & 0x3F) + 0x30


def _redundancy(data: bytes, initial: int) -> int:
    return -_sum(data, initial) & 0xFF


def _hex_redundancy(data: bytes, initial: int) -> int:
    """Add pairs of hexadecimal digits; whether a digit is the high one depends on its place from the end."""
    total, high, left = initial, 0, len(data)
    for byte in data:
        left -= 1
        if byte in _HEX:
            digit = int(chr(byte), 16)
            if left % 2:
                high = digit << 4
            else:
                total, high = total + high + digit, 0
    return -total & 0xFF


def _high_voltage(data: bytes, initial: int) -> int:
    return ~_sum(data, initial) & 0x7F | 0x40


def _xor7(data: bytes, initial: int) -> int:
    return _xor(data, initial) & 0x7F


_CRC16, _CRC16R = _crc(0x8005, 16), _reflected(0xA001)
_CCITT = _crc(0x1021, 16)
_CRC32, _CRC32R = _crc(0x04C11DB7, 32), _reflected(0xEDB88320)
_ALL = 0xFFFFFFFF

# Order matters: a name that is cut short means the first one that begins so.
CHECKSUMS = (
    Checksum("sum", _sum, 0, 0, 1),
    Checksum("sum8", _sum, 0, 0, 1),
    Checksum("sum16", _sum, 0, 0, 2),
    Checksum("sum32", _sum, 0, 0, 4),
    Checksum("nsum8", _sum, 0xFF, 0xFF, 1),
    Checksum("nsum16", _sum, 0xFFFF, 0xFFFF, 2),
    Checksum("nsum32", _sum, _ALL, _ALL, 4),
    Checksum("notsum", _sum, 0, 0xFF, 1),
    Checksum("xor", _xor, 0, 0, 1),
    Checksum("xor8", _xor, 0, 0, 1),
    Checksum("xor8ff", _xor, 0, 0xFF, 1),
    Checksum("xor7", _xor7, 0, 0, 1),
    Checksum("crc8", _crc(0x07, 8), 0, 0, 1),
    Checksum("ccitt8", _reflected(0x8C), 0, 0, 1),
    Checksum("crc16", _CRC16, 0, 0, 2),
    Checksum("crc16r", _CRC16R, 0, 0, 2),
    Checksum("modbus", _CRC16R, 0xFFFF, 0, 2),
    Checksum("ccitt16", _CCITT, 0xFFFF, 0, 2),
    Checksum("ccitt16a", _CCITT, 0x1D0F, 0, 2),
    Checksum("ccitt16x", _CCITT, 0, 0, 2),
    Checksum("crc16c", _CCITT, 0, 0, 2),
    Checksum("xmodem", _CCITT, 0, 0, 2),
    Checksum("crc32", _CRC32, _ALL, _ALL, 4),
    Checksum("crc32r", _CRC32R, _ALL, _ALL, 4),
    Checksum("jamcrc", _CRC32R, _ALL, 0, 4),
    Checksum("adler32", lambda data, initial: zlib.adler32(data, initial & _ALL), 1, 0, 4),
    Checksum("hexsum8", _hex_digits, 0, 0, 1),
    Checksum("cpi", _cpi, 0, 0, 1),
    Checksum("leybold", _leybold, 0, 0, 1),
    Checksum("brksCryo", _brooks, 0, 0, 1),
    Checksum("lrc", _redundancy, 0, 0, 1),
    Checksum("hexlrc", _hex_redundancy, 0, 0, 1),
    Checksum("bitsum", _bits, 0, 0, 1),
    Checksum("bitsum8", _bits, 0, 0, 1),
    Checksum("bitsum16", _bits, 0, 0, 2),
    Checksum("bitsum32", _bits, 0, 0, 4),
    Checksum("hv_mps", _high_voltage, 0xFF, 0, 1),
)


def find(name: str) -> Checksum | None:
    """Return the checksum of a name, or of its beginning, in any case; `-`, `neg` and `n` negate it, `~` and `not` invert it."""
    rest, negated, inverted = name.lower(), False, False
    for prefix in ("-", "neg"):
        if rest.startswith(prefix):
            rest, negated = rest[len(prefix) :], True
    for prefix in ("~", "not"):
        if rest.startswith(prefix):
            rest, inverted = rest[len(prefix) :], True
    for known in CHECKSUMS:
        if known.name.lower().startswith(rest):
            return _changed(known, negated=negated, inverted=inverted)
        if rest.startswith("n") and len(rest) > 1 and known.name.lower().startswith(rest[1:]):
            return _changed(known, negated=True, inverted=inverted)
    return None


def _changed(checksum: Checksum, *, negated: bool, inverted: bool) -> Checksum:
    initial = ~checksum.initial & _ALL if negated else checksum.initial
    final = checksum.final ^ (_ALL if negated else 0) ^ (_ALL if inverted else 0)
    return Checksum(checksum.name, checksum.function, initial, final, checksum.length)
