"""Memory of the C library: a system without glibc's words is left as it is."""

import ctypes
from typing import Any

import pytest

from testbeam.services.filewriter import memory


def test_the_c_library_is_told_what_to_keep_and_when_to_give_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[Any, ...]] = []

    class Libc:
        mallopt = staticmethod(lambda *what: told.append(what))
        malloc_trim = staticmethod(lambda *what: told.append(what))

    monkeypatch.setattr(ctypes, "CDLL", lambda _name: Libc)
    memory.keep_freed()
    memory.give_back()

    assert told == [(-3, 8 * 2**20), (-1, 16 * 2**20), (0,)]


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: object())

    memory.keep_freed()
    memory.give_back()
