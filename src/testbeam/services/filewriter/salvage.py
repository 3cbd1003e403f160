"""Salvage of a file that HDF5 could not close, as on a full disk: what reached the disk stays readable, the rest is given back.

HDF5 keeps a file open whose last bytes it can't write, and crashes the process when it is let go of. So the descriptor is led to
`/dev/null`, where everything can be written, and HDF5 closes it in peace. What is on the disk is then in the state of its last flush, in
the order that readers can follow (SWMR), but for the mark that a writer has it open, and a size that may be short.
"""

import os
import struct
from pathlib import Path

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_FLAGS_AT, _END_AT, _CHECKSUM_AT, _SIZE = 11, 28, 44, 48
_WORD = 0xFFFFFFFF


def lead_to_nowhere(descriptor: int) -> None:
    """Make an open file's descriptor one of `/dev/null`."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    try:
        os.dup2(nowhere, descriptor, inheritable=False)
    finally:
        os.close(nowhere)


def make_readable(path: Path) -> bool:
    """Remove the mark that a writer has the file open, and give it the size it says it has; tell whether it is such a file."""
    with path.open("r+b") as file:
        head = bytearray(file.read(_SIZE))
        if len(head) < _SIZE or head[:8] != _SIGNATURE or head[8] not in (2, 3) or head[9] != 8:
            return False
        head[_FLAGS_AT] = 0
        struct.pack_into("<Q", head, _END_AT, _grown(file.fileno(), *struct.unpack_from("<Q", head, _END_AT)))
        head[_CHECKSUM_AT:] = struct.pack("<I", lookup3(bytes(head[:_CHECKSUM_AT])))
        file.seek(0)
        file.write(head)
    return True


def _grown(descriptor: int, end: int) -> int:
    """Give a file that is too short the size it says it has, by a hole, which takes no room; return the size it can have."""
    size = os.fstat(descriptor).st_size
    if size < end:
        try:
            os.ftruncate(descriptor, end)
        except OSError:  # a limit on the size of files: what lies beyond it is lost
            return size
    return end


def lookup3(data: bytes) -> int:
    """Return Bob Jenkins' hash "lookup3" of some bytes, which HDF5 keeps beside its metadata."""
    a = b = c = (0xDEADBEEF + len(data)) & _WORD
    at = 0
    while len(data) - at > 12:
        x, y, z = struct.unpack_from("<III", data, at)
        a, b, c = _mixed((a + x) & _WORD, (b + y) & _WORD, (c + z) & _WORD)
        at += 12
    if at < len(data):
        x, y, z = struct.unpack("<III", data[at:].ljust(12, b"\0"))
        a, b, c = (a + x) & _WORD, (b + y) & _WORD, (c + z) & _WORD
        for first, second, bits in ((2, 1, 14), (0, 2, 11), (1, 0, 25), (2, 1, 16), (0, 2, 4), (1, 0, 14), (2, 1, 24)):
            words = [a, b, c]
            words[first] = ((words[first] ^ words[second]) - _turned(words[second], bits)) & _WORD
            a, b, c = words
    return c


def _mixed(a: int, b: int, c: int) -> tuple[int, int, int]:
    for bits in (4, 6, 8, 16, 19, 4):
        a = (a - c) & _WORD
        a ^= _turned(c, bits)
        c = (c + b) & _WORD
        a, b, c = b, c, a
    return a, b, c


def _turned(word: int, bits: int) -> int:
    return ((word << bits) | (word >> (32 - bits))) & _WORD
