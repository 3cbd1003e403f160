"""The two answers that a client waits for before it takes somebody for a broker, and the head of its questions: bytes ⇄ values.

Source: Apache Kafka protocol guide; ApiVersions v0, which every client falls back to, and Metadata v1.
"""

import struct

from testbeam.errors import WireError

API_VERSIONS, METADATA = 18, 3
_UNSUPPORTED_VERSION = 35
_HIGHEST = {API_VERSIONS: 0, METADATA: 1}
_HEAD = struct.Struct(">hhi")
_NODE = 1


def answer_to(question: bytes, host: str, port: int) -> bytes:
    """Return the answer, length first, to a question without its length: a cluster of one broker at this address, with no topics.

    Raises:
        WireError: it is no question of the two kinds.
    """
    if len(question) < _HEAD.size:
        raise WireError("kafka", f"a question of {len(question)} bytes has no whole head")
    key, version, correlation = _HEAD.unpack_from(question)
    if key == API_VERSIONS:
        return _frame(correlation, _api_versions(0 if version <= _HIGHEST[API_VERSIONS] else _UNSUPPORTED_VERSION))
    if (key, version) == (METADATA, _HIGHEST[METADATA]):
        return _frame(correlation, _metadata(host, port))
    raise WireError("kafka", f"a question with key {key}, version {version} was not offered an answer")


def _api_versions(error: int) -> bytes:
    """Return the versions that are answered; after an error a client asks again in version 0, whose layout this is."""
    return struct.pack(">hi", error, len(_HIGHEST)) + b"".join(struct.pack(">hhh", key, most, most) for key, most in _HIGHEST.items())


def _metadata(host: str, port: int) -> bytes:
    name = host.encode()
    broker = struct.pack(">ih", _NODE, len(name)) + name + struct.pack(">ih", port, -1)  # in no rack
    return struct.pack(">i", 1) + broker + struct.pack(">ii", _NODE, 0)  # the controller, no topics


def _frame(correlation: int, body: bytes) -> bytes:
    return struct.pack(">ii", 4 + len(body), correlation) + body
