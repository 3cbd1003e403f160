"""The ns10 message: one entry of NICOS' cache. Source: ns10_cache_entry.fbs."""

from testbeam.model.samples import CacheEntry
from testbeam.wire.flatbuffers.codec.builder import build
from testbeam.wire.flatbuffers.codec.reader import read
from testbeam.wire.flatbuffers.codec.tables import Scalar, String, Table

NS10 = Table(
    "ns10",
    (
        String("key", 0),
        Scalar("time", 1, "d", 0.0),
        Scalar("ttl", 2, "d", 0.0),
        Scalar("expired", 3, "?", default=False),
        String("value", 4),
    ),
    created="value key",
    added="value expired ttl time key",
)


def decode_ns10(buffer: bytes) -> CacheEntry:
    """Return the entry.

    Raises:
        WireError: the buffer is not a valid ns10.
    """
    key, time_s, ttl_s, expired, value = read(buffer, NS10)
    return CacheEntry(key=key, time_s=time_s, ttl_s=ttl_s, expired=expired, value=value)


def encode_ns10(entry: CacheEntry) -> bytes:
    """Return the message.

    Raises:
        WireError: a value does not fit its field.
    """
    return build(NS10, (entry.key, entry.time_s, entry.ttl_s, entry.expired, entry.value))
