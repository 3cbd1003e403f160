"""Messages to Graylog: what an event becomes, and how a long one is divided."""

import json
import logging
import sys
import zlib
from typing import Any

import pytest

from testbeam.errors import SettingsError
from testbeam.transport.graylog import LARGEST, MOST_CHUNKS, datagrams, message, sending


def event(text: str, *args: object, level: int = logging.INFO, exc_info: Any = None) -> logging.LogRecord:
    return logging.LogRecord("forwarder", level, "file.py", 1, text, args, exc_info)


def joined(parts: list[bytes]) -> dict[str, Any]:
    """Return what a server makes of datagrams."""
    if len(parts) == 1:
        return dict(json.loads(zlib.decompress(parts[0])))
    assert {part[:10] for part in parts} == {b"\x1e\x0f" + b"idididid"}
    assert [tuple(part[10:12]) for part in parts] == [(n, len(parts)) for n in range(len(parts))]
    return dict(json.loads(zlib.decompress(b"".join(part[12:] for part in parts))))


def incompressible(characters: int) -> str:
    return "".join(chr(33 + (n * n * 7919 + n // 3) % 50_000) for n in range(characters))


@pytest.mark.parametrize(("level", "syslog"), [(50, 2), (40, 3), (30, 4), (20, 6), (10, 7), (5, 7)])
def test_an_event_has_its_text_its_level_and_the_fields(level: int, syslog: int) -> None:
    found = joined(datagrams(message(event("%d streams", 3, level=level), "here", {"service_id": "fw"}), b"idididid"))

    assert {key: found[key] for key in ("version", "host", "short_message", "level", "_logger", "_service_id")} == {
        "version": "1.1",
        "host": "here",
        "short_message": "3 streams",
        "level": syslog,
        "_logger": "forwarder",
        "_service_id": "fw",
    }
    assert isinstance(found["timestamp"], float)


def test_a_traceback_is_the_full_message() -> None:
    try:
        raise ValueError("seven")
    except ValueError:
        found = message(event("it broke", level=logging.ERROR, exc_info=sys.exc_info()), "here", {})

    assert found["full_message"].startswith("it broke\nTraceback")
    assert "ValueError: seven" in found["full_message"]


def test_a_long_one_is_divided_and_none_is_larger_than_a_datagram_may_be() -> None:
    text = incompressible(60_000)
    parts = datagrams(message(event(text), "here", {}), b"idididid")

    assert len(parts) > 1
    assert max(map(len, parts)) <= LARGEST
    assert joined(parts)["short_message"] == text


def test_one_that_no_server_would_take_is_cut() -> None:
    parts = datagrams(message(event(incompressible(1_500_000)), "here", {}), b"idididid")

    assert len(parts) <= MOST_CHUNKS
    assert joined(parts)["full_message"] == "cut: it was too long"


@pytest.mark.parametrize("address", ["", "host:x", "host:70000", "a:b:c", "tcp://host:1", "/"])
def test_an_address_of_another_form_is_refused_by_name(address: str) -> None:
    with pytest.raises(SettingsError, match="graylog-logger-address"), sending("graylog-logger-address", address):
        pass


def test_without_an_address_nothing_is_added_to_the_log() -> None:
    before = list(logging.getLogger().handlers)
    with sending("graylog-logger-address", None):
        assert logging.getLogger().handlers == before
