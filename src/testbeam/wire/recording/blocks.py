"""Blocks of a recording: where one begins and ends, whether it is whole, and where the next one begins behind damage."""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from typing import BinaryIO

from testbeam.errors import WireError

MAGIC = b"\x89TBR\r\n"  # as PNG's: a transfer that touches line ends or the eighth bit is found out at once
VERSION = 1
SIGNATURE = MAGIC + VERSION.to_bytes(2, "little")

MAX_BODY = 1 << 30  # bytes: Kafka's largest messages are a tenth of it

_SYNC = b"\xf5TBb"
_HEADER = Struct("<4sBBHIIIQI")
_CRC = Struct("<I")
HEADER_SIZE = _HEADER.size + _CRC.size
_DEFLATED = 1
_LEVEL = 1  # the higher levels take three times as long for a twentieth of the size (random ev44)
_STRIDE = 1 << 20


class Kind(IntEnum):
    """What a block's body is."""

    ABOUT = 1
    MESSAGES = 2
    END = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One whole block: `at` is its place in the file, `size` its bytes there, `body` is plain."""

    kind: int
    at: int
    size: int
    messages: int
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """Bytes `at` to `at + size` that are no whole block; `messages` is how many were in them, None where that is damaged, too.

    `cut` says that the file ends here: the recorder was killed in the middle of a block, or the file was not copied to its end.
    """

    at: int
    size: int
    problem: str
    messages: int | None = None
    cut: bool = False

    def __str__(self) -> str:
        lost = "" if self.messages is None else f"; {self.messages} messages are lost"
        return f"bytes {self.at} to {self.at + self.size}: {self.problem}{lost}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    kind: int
    deflated: bool
    messages: int
    stored: int
    plain: int
    at: int
    crc: int


def block(kind: Kind, at: int, *body: bytes, messages: int = 0, deflate: bool = False) -> list[bytes]:
    """Return, in pieces, a block that begins at byte `at` of its file; `body` is its body in pieces.

    In pieces, because a copy of large messages costs as much as taking them off Kafka.
    """
    plain = sum(map(len, body))
    stored = _deflated(body) if deflate else body
    crc = 0
    for piece in stored:
        crc = zlib.crc32(piece, crc)
    head = _HEADER.pack(_SYNC, kind, _DEFLATED if deflate else 0, 0, messages, sum(map(len, stored)), plain, at, crc)
    return [head + _CRC.pack(zlib.crc32(head)), *stored]


def scan(file: BinaryIO) -> Iterator[Block | Damage]:
    """Yield every whole block of a recording and every stretch that is none, from its beginning to its end.

    Raises:
        WireError: it is no recording, or of a version that is not known here.
    """
    _check_signature(file.read(len(SIGNATURE)))
    at, end = len(SIGNATURE), file.seek(0, 2)
    while at < end:
        found = block_at(file, at, end)
        at += found.size
        yield found


def _deflated(body: Sequence[bytes]) -> Sequence[bytes]:
    deflate = zlib.compressobj(_LEVEL)
    return [*(deflate.compress(piece) for piece in body), deflate.flush()]


def _check_signature(begin: bytes) -> None:
    if begin[: len(MAGIC)] != MAGIC or len(begin) < len(SIGNATURE):
        raise WireError("recording", f"is none: it begins with 0x{begin.hex()}, a recording with 0x{SIGNATURE.hex()}")
    if begin != SIGNATURE:
        raise WireError("recording", f"is of version {int.from_bytes(begin[len(MAGIC) :], 'little')}; this testbeam reads {VERSION}")


def block_at(file: BinaryIO, at: int, end: int) -> Block | Damage:
    """Return the block that begins at byte `at` of a file of `end` bytes, or what is wrong there."""
    file.seek(at)
    header = _header(file.read(HEADER_SIZE), at)
    if header is None:
        return _skip(file, at, end, "no block begins here, or its header is damaged", None)
    size = HEADER_SIZE + header.stored
    if at + size > end:  # not read: a header may promise more than there is
        return _skip(file, at, end, f"a block of {size} bytes is cut off", header.messages)
    try:
        return Block(kind=header.kind, at=at, size=size, messages=header.messages, body=_plain(header, file.read(header.stored)))
    except ValueError as error:
        return Damage(at=at, size=size, problem=str(error), messages=header.messages)


def _header(head: bytes, at: int) -> _Header | None:
    """Return the header here, None where there is none or it is damaged."""
    if len(head) < HEADER_SIZE or _CRC.unpack_from(head, _HEADER.size)[0] != zlib.crc32(head[: _HEADER.size]):
        return None
    sync, kind, flags, _, messages, stored, plain, place, crc = _HEADER.unpack_from(head)
    if sync != _SYNC or place != at or max(stored, plain) > MAX_BODY:
        return None
    return _Header(kind=kind, deflated=bool(flags & _DEFLATED), messages=messages, stored=stored, plain=plain, at=place, crc=crc)


def _plain(header: _Header, stored: bytes) -> bytes:
    """Return the body as it was before deflating; raise ValueError with what is wrong with it."""
    if zlib.crc32(stored) != header.crc:
        raise ValueError("the body of a block is damaged (its checksum differs)")
    if not header.deflated:
        return stored
    inflate = zlib.decompressobj()
    try:
        plain = inflate.decompress(stored, header.plain + 1)  # never more than it says, whatever it was made of
    except zlib.error as error:
        raise ValueError(f"the body of a block can't be inflated ({error})") from None
    if len(plain) != header.plain:
        raise ValueError(f"the body of a block inflates to other than the {header.plain} bytes it should")
    return plain


def _skip(file: BinaryIO, at: int, end: int, problem: str, messages: int | None) -> Damage:
    """Return the damage from `at` to the next whole header, or to the end of the file."""
    for found in _syncs(file, at + 1):
        file.seek(found)
        if _header(file.read(HEADER_SIZE), found) is not None:
            return Damage(at=at, size=found - at, problem=problem, messages=messages)
    size = end - at
    cut = size < HEADER_SIZE or messages is not None
    text = f"only {size} bytes of a block's header are there" if size < HEADER_SIZE else problem
    return Damage(at=at, size=size, problem=text, messages=messages, cut=cut)


def _syncs(file: BinaryIO, start: int) -> Iterator[int]:
    """Yield every place from `start` on where the first four bytes of a block stand."""
    base, window = start, b""
    file.seek(base)
    while more := file.read(_STRIDE):
        window += more
        found = window.find(_SYNC)
        while found >= 0:
            yield base + found
            found = window.find(_SYNC, found + 1)
        base += len(window)
        window = window[len(window) - len(_SYNC) + 1 :]
        base -= len(window)
        file.seek(base + len(window))
