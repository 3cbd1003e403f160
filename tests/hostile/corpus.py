"""Byte strings that every reader of a topic or socket must survive: one corpus for the tests of all services.

`HOSTILE` is the list, `HOSTILE_BY_KIND` the same by schema: each case is invalid for `testbeam.wire.flatbuffers.registry.decode` and has a
name to be told by. `VALID` are the messages it is made from, one a schema; `corruptions` makes any number of variations of a message, most
of them invalid. To add a schema, put its golden message into tests/unit/wire/golden and a line into `_ROOT_FIELDS` here.
"""

import random
import struct
from collections.abc import Iterator
from pathlib import Path

from tests.hostile.crafted import crafted
from tests.hostile.structures import Case, broken_string, broken_structures, broken_vector

_GOLDEN = Path(__file__).parents[1] / "unit" / "wire" / "golden"

VALID: dict[str, bytes] = {path.stem: path.read_bytes() for path in sorted(_GOLDEN.glob("*.bin"))}

_ROOT_FIELDS: dict[str, tuple[int, tuple[int, ...]]] = {  # slot of a non-empty string, slots of vectors
    "6s4t": (1, ()),
    "ad00": (0, (3, 5)),
    "al00": (3, ()),
    "answ": (6, ()),
    "da00": (0, ()),
    "ep01": (2, ()),
    "ev44": (0, (2, 3, 4, 5)),
    "f142": (0, ()),
    "f144": (0, ()),
    "pl72": (4, ()),
    "se00": (0, (7,)),
    "senv": (0, (7,)),
    "tdct": (0, (1,)),
    "un00": (0, ()),
    "wrdn": (3, ()),
    "x5f2": (6, ()),
}


def _no_message() -> Iterator[Case]:
    for size in range(8):
        yield f"{size} bytes of 0", bytes(size)
        yield f"{size} bytes of 255", b"\xff" * size
    yield "JSON instead of a message", b'{"cmd": "add", "streams": [{"channel": "TB:VOLT"}]}'
    yield "JSON that is cut off", b'{"cmd": "FileWriter_new", "job_id": "'
    yield "text", "µ is no message".encode()
    yield "a pickle", b"\x80\x04\x8c\x05posix\x94\x8c\x06system\x94\x93\x94\x8c\x04true\x94\x85\x94R\x94."
    yield "the beginning of an HDF5 file", b"\x89HDF\r\n\x1a\n" + bytes(88)
    yield "1 MiB of 0", bytes(1 << 20)
    yield "1 MiB of 255", b"\xff" * (1 << 20)
    yield "1 MiB of noise", random.Random(1).randbytes(1 << 20)


def _unknown_ids() -> Iterator[Case]:
    for schema_id in (b"zz99", b"F144", b"f14\0", b"\xff\xfe\xfd\xfc", b"f143", b"\0\0\0\0"):
        yield f"unknown id {schema_id!r}", VALID["f144"][:4] + schema_id + VALID["f144"][8:]
    yield "size before the message", struct.pack("<I", len(VALID["f144"])) + VALID["f144"]


def _bare_ids() -> Iterator[Case]:
    for schema in VALID:
        for root in (0, 4, 8, 0x7FFF_FFFC, 0xFFFF_FFFC):
            yield f"{schema}: nothing but the id and a root at {root:#x}", struct.pack("<I", root) + schema.encode()
        yield f"{schema}: 4 KiB of 0 behind the id", struct.pack("<I", 8) + schema.encode() + bytes(4096)
        yield f"{schema}: 4 KiB of 255 behind the id", struct.pack("<I", 8) + schema.encode() + b"\xff" * 4096
        yield f"{schema}: 4 KiB of noise behind the id", struct.pack("<I", 8) + schema.encode() + random.Random(2).randbytes(4096)


def _broken() -> Iterator[Case]:
    for schema, message in VALID.items():
        yield from broken_structures(schema, message)
        if schema in _ROOT_FIELDS:
            string, vectors = _ROOT_FIELDS[schema]
            yield from broken_string(schema, message, string)
            for vector in vectors:
                yield from broken_vector(schema, message, vector)


def _by_kind(cases: tuple[Case, ...]) -> dict[str, list[Case]]:
    """Return the cases by what stands before the colon of their names: the schema that they are broken messages of."""
    found: dict[str, list[Case]] = {}
    for name, payload in cases:
        kind, colon, _ = name.partition(":")
        found.setdefault(kind if colon else "no message", []).append((name, payload))
    return found


HOSTILE: tuple[Case, ...] = (*_no_message(), *_unknown_ids(), *_bare_ids(), *_broken(), *crafted(VALID))
HOSTILE_BY_KIND = _by_kind(HOSTILE)


def corruptions(buffer: bytes, seed: int, n: int) -> Iterator[bytes]:
    """Yield n variations of a message, the same ones for the same seed.

    Flipped bits, cuts, random numbers of four bytes at aligned places, and pieces copied over others, one to three at a time.
    """
    noise = random.Random(seed)
    kinds = (_flip, _flip, _cut, _overwrite, _overwrite, _splice)
    for _ in range(n):
        corrupted = bytearray(buffer)
        for _ in range(noise.choice((1, 1, 1, 2, 3))):
            if corrupted:
                noise.choice(kinds)(corrupted, noise)
        yield bytes(corrupted)


def _flip(corrupted: bytearray, noise: random.Random) -> None:
    corrupted[noise.randrange(len(corrupted))] ^= 1 << noise.randrange(8)


def _cut(corrupted: bytearray, noise: random.Random) -> None:
    del corrupted[noise.randrange(len(corrupted)) :]


def _overwrite(corrupted: bytearray, noise: random.Random) -> None:
    at = noise.randrange(0, len(corrupted), 4)
    edges = (0, 1, 4, len(corrupted), 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0x4000_0000)
    number = noise.choice((noise.getrandbits(32), noise.randrange(2 * len(corrupted)), noise.choice(edges)))
    corrupted[at : at + 4] = struct.pack("<I", number)[: len(corrupted) - at]


def _splice(corrupted: bytearray, noise: random.Random) -> None:
    size = noise.randrange(1, 33)
    source, target = noise.randrange(len(corrupted)), noise.randrange(len(corrupted))
    piece = corrupted[source : source + size]
    if noise.random() < 0.5:
        corrupted[target : target + len(piece)] = piece
    else:
        corrupted[target:target] = piece
