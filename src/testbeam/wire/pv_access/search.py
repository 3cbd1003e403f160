"""Search of PV Access: which server has a PV of a name; and the hand-shake that a search over TCP needs before it.

Source: pvAccess Protocol Specification, "Search Request", "Search Response", "Connection Validation".
"""

import ipaddress
import struct
from dataclasses import dataclass

from testbeam.wire.pv_access.messages import Frame, Reader, encode, sized

VALIDATION, SEARCH, RESPONSE, VALIDATED = 1, 3, 4, 9

_MUST_REPLY = 0x01
_TCP = b"tcp"
_ADDRESS_BYTES = 16
_GUID_BYTES = 12
_BUFFER_BYTES = 0x4000
_REGISTRY = 0x7FFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A question for names; `host` is empty where the answer goes to who has asked. Without names it asks for any server."""

    sequence: int
    must_reply: bool
    host: str
    port: int
    names: tuple[tuple[int, bytes], ...]  # number of the client's, name
    over_tcp: bool = True  # one that wants no server of TCP is not for us


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The answer: which of the numbers the server has."""

    guid: bytes
    sequence: int
    host: str
    port: int
    is_found: bool
    numbers: tuple[int, ...]


def parse_search(frame: Frame) -> Search:
    """Return the question.

    Raises:
        WireError: the payload is cut short.
    """
    reader = Reader(frame)
    sequence, flags = reader.numbers("IB3x")
    host = _host(reader.take(_ADDRESS_BYTES))
    (port,) = reader.numbers("H")
    protocols = [reader.text() for _ in range(reader.size())]
    (count,) = reader.numbers("H")
    names = tuple((reader.numbers("I")[0], reader.text()) for _ in range(count))
    over_tcp = not protocols or _TCP in protocols
    return Search(sequence=sequence, must_reply=bool(flags & _MUST_REPLY), host=host, port=port, names=names, over_tcp=over_tcp)


def encode_search(search: Search) -> bytes:
    """Return the message of a question."""
    flags = _MUST_REPLY if search.must_reply else 0
    head = struct.pack("<IB3x16sHB", search.sequence, flags, _mapped(search.host), search.port, 1) + sized(_TCP)
    names = b"".join(struct.pack("<I", number) + sized(name) for number, name in search.names)
    return encode(SEARCH, head + struct.pack("<H", len(search.names)) + names, from_server=False)


def parse_found(frame: Frame) -> Found:
    """Return the answer.

    Raises:
        WireError: the payload is cut short.
    """
    reader = Reader(frame)
    guid = reader.take(_GUID_BYTES)
    (sequence,) = reader.numbers("I")
    host = _host(reader.take(_ADDRESS_BYTES))
    (port,) = reader.numbers("H")
    reader.text()
    is_found, count = reader.numbers("BH")
    return Found(guid=guid, sequence=sequence, host=host, port=port, is_found=bool(is_found), numbers=reader.numbers(f"{count}I"))


def encode_found(found: Found) -> bytes:
    """Return the message of an answer."""
    place = struct.pack("<12sI16sH", found.guid, found.sequence, _mapped(found.host), found.port) + sized(_TCP)
    numbers = struct.pack(f"<BH{len(found.numbers)}I", found.is_found, len(found.numbers), *found.numbers)
    return encode(RESPONSE, place + numbers, from_server=True)


def encode_validation() -> bytes:
    """Return a client's answer to a server's greeting: somebody without a name."""
    return encode(VALIDATION, struct.pack("<IHH", _BUFFER_BYTES, _REGISTRY, 0) + sized(b"anonymous") + b"\xff", from_server=False)


def _host(address: bytes) -> str:
    """Return an address of IPv4 as text, or nothing for one that is none, or not of one computer."""
    mapped = ipaddress.IPv6Address(address).ipv4_mapped
    return "" if mapped is None or mapped.is_unspecified or mapped.is_multicast else str(mapped)


def _mapped(host: str) -> bytes:
    return bytes(10) + b"\xff\xff" + (ipaddress.IPv4Address(host).packed if host else bytes(4))
