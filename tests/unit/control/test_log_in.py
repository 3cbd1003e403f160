"""Passwords on their way: encrypted where both sides can, plain where one can't, and never told."""

import hashlib
import sys
from typing import Any

import pytest

from testbeam.services.control.daemon.users import LoginKey
from testbeam.transport.nicos.daemon import _for_wire


def test_a_password_is_encrypted_and_read_again() -> None:
    key = LoginKey()
    sent = _for_wire("a secret", key.banner)

    assert key.banner["pw_hashing"] == "rsa,plain"
    assert isinstance(key.banner["rsakey"], str)
    assert sent.startswith("RSA:")
    assert "secret" not in sent
    assert key.decrypted(sent) == "a secret"


@pytest.mark.parametrize("sent", ["RSA:", "RSA:!!!", "RSA:AAAA", "RSA:" + "A" * 400])
def test_what_is_no_encrypted_password_is_none(sent: str) -> None:
    assert LoginKey().decrypted(sent) == ""


def test_without_the_library_on_our_side_the_password_is_asked_for_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rsa", None)
    key = LoginKey()

    assert key.banner == {"pw_hashing": "plain", "rsakey": None}
    assert _for_wire("x", key.banner) == "x"
    assert key.decrypted("x") == "x"
    assert key.decrypted("RSA:AAAA") == ""


def test_without_the_library_on_the_clients_side_it_is_sent_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    banner = LoginKey().banner
    monkeypatch.setitem(sys.modules, "rsa", None)

    assert _for_wire("x", banner) == "x"


@pytest.mark.parametrize(
    ("hashing", "wanted"),
    [
        ("md5", hashlib.md5(b"x").hexdigest()),
        ("sha1", hashlib.sha1(b"x").hexdigest()),
        ("plain", "x"),
        (None, hashlib.sha1(b"x").hexdigest()),
    ],
)
def test_older_daemons_get_the_hash_that_they_ask_for(hashing: Any, wanted: str) -> None:
    assert _for_wire("x", {"pw_hashing": hashing}) == wanted


def test_a_password_longer_than_the_key_takes_is_sent_plain() -> None:
    assert _for_wire("x" * 200, LoginKey().banner) == "x" * 200
