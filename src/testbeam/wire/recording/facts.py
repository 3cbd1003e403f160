"""Facts of a recording, at its beginning and at its end."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from testbeam.errors import WireError


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """The first block: where and when it was recorded; `topics` gives the number of partitions of each."""

    topics: Mapping[str, int]
    bootstrap: str = ""
    cluster_id: str = ""
    started_ms: int = 0
    software: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The last block: what was recorded, and why it ended."""

    messages: int
    reason: str
    ended_ms: int = 0


def encode_about(about: About) -> bytes:
    """Return the body of the first block."""
    named = {"bootstrap": about.bootstrap, "cluster_id": about.cluster_id, "started_ms": about.started_ms, "software": about.software}
    return json.dumps({"topics": dict(about.topics), **named}, ensure_ascii=False).encode()


def encode_end(end: End) -> bytes:
    """Return the body of the last block."""
    return json.dumps({"messages": end.messages, "reason": end.reason, "ended_ms": end.ended_ms}, ensure_ascii=False).encode()


def decode_about(body: bytes) -> About:
    """Return what the first block says.

    Raises:
        WireError: it is no JSON object with `topics`.
    """
    tree = _object(body, "about")
    topics = tree.get("topics")
    if not isinstance(topics, dict) or not all(type(count) is int and 0 < count <= 1_000_000 for count in topics.values()):
        raise WireError("recording", "its about block has no topics with their numbers of partitions")
    return About(
        topics=topics,
        bootstrap=_text(tree, "bootstrap"),
        cluster_id=_text(tree, "cluster_id"),
        started_ms=_number(tree, "started_ms"),
        software=_text(tree, "software"),
    )


def decode_end(body: bytes) -> End:
    """Return what the last block says.

    Raises:
        WireError: it is no JSON object with a number of `messages`.
    """
    tree = _object(body, "end")
    if type(tree.get("messages")) is not int:
        raise WireError("recording", "its end block does not say how many messages there are")
    return End(messages=_number(tree, "messages"), reason=_text(tree, "reason"), ended_ms=_number(tree, "ended_ms"))


def _object(body: bytes, what: str) -> dict[str, Any]:
    try:
        tree = json.loads(body)
    except (ValueError, RecursionError):
        tree = None
    if not isinstance(tree, dict):
        raise WireError("recording", f"its {what} block is no JSON object")
    return tree


def _text(tree: dict[str, Any], key: str) -> str:
    value = tree.get(key, "")
    return value if isinstance(value, str) else ""


def _number(tree: dict[str, Any], key: str) -> int:
    value = tree.get(key, 0)
    return value if type(value) is int else 0
