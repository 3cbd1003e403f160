"""The store of the cache: what was stored is there after a restart, with its type; damage costs what is damaged only."""

from pathlib import Path

import pytest

from testbeam.errors import TestbeamError
from testbeam.services.control.cache.core import Core
from testbeam.services.control.cache.store import Store
from testbeam.wire.nicos.values import load


def restarted(path: Path) -> Core:
    store, core = Store(path), Core()
    store.read(core.restore)
    store.begin((entry.time, key, entry.value) for key, entry in core.entries.items())
    store.close()
    return core


def filled(path: Path, *lines: str) -> None:
    store = Store(path)
    store.begin(())
    core = Core(keep=store.keep)
    core.join(1)
    assert core.take(1, lines, 1000.0)
    store.close()


def test_values_survive_with_time_and_type(tmp_path: Path) -> None:
    path = tmp_path / "store"
    filled(path, "5@a/x=0", "6@a/y=False", "7@a/z='text'", "8@a/gone=1", "9@a/gone=", "10@a/n#=5")

    core = restarted(path)
    assert {key: load(entry.value) for key, entry in core.entries.items()} == {"a/x": 0, "a/y": False, "a/z": "text"}
    assert core.entries["a/x"].time_s == 5
    assert load(core.entries["a/y"].value) is False


def test_a_store_says_when_it_is_worth_being_rewritten(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.begin([("1", "a/x", "1")])
    grown = []
    for number in range(20):
        store.keep("2", "a/x", f"'{number}{'x' * 1_000_000}'")
        grown.append(store.has_grown)
    store.begin([("2", "a/x", "19")])
    grown.append(store.has_grown)
    store.keep("3", "a/x", "20")
    store.close()

    assert (grown[0], grown[15], grown[19], grown[20]) == (False, False, True, False)
    assert (tmp_path / "store").read_text() == "2@a/x=19\n3@a/x=20\n"


@pytest.mark.parametrize(
    "damage", [b"", b"\x00\xff\xfe" * 100, b"half a li", b"\n\n\n", b"nonsense without operator\n", b"12@a/q?\n", b"=\n", b"xx@b/y=1\n"]
)
def test_damage_costs_what_is_damaged_only(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "store"
    filled(path, "5@a/x=1", "6@a/y=2")
    path.write_bytes(path.read_bytes() + damage)

    assert {"a/x", "a/y"} <= set(restarted(path).entries)
    assert {"a/x", "a/y"} <= set(restarted(path).entries)


@pytest.mark.parametrize("cut", range(0, 30, 3))
def test_a_store_that_was_cut_anywhere_is_read(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "store"
    filled(path, "5@a/x=1", "6@a/y=2")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - cut])

    restarted(path)


def test_a_store_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TestbeamError, match="--store"):
        Store(tmp_path / "file" / "store").begin(())
