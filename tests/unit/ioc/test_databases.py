from pathlib import Path

import pytest

from testbeam.errors import SettingsError, StackError
from testbeam.services.ioc import databases
from testbeam.services.ioc.databases import DEMO, Database, check, parse, unbalanced

GOOD = """
record(ai, "$(P)A") {   # a comment with { and "
    field(DESC, "braces } in \\" a string {")
    field(INP,  {const:'a "b" {'})
}
"""


def test_a_common_macro_is_for_every_file() -> None:
    assert [database.substitutions for database in parse(("a.db", "b.db"), ("P=X:",))] == ["P=X:", "P=X:"]


def test_macros_of_a_file_win_over_those_for_every_file() -> None:
    (database,) = parse(("a.db,P=OWN:,N=3",), ("P=ALL:", "R=1"))

    assert database.path == Path("a.db")
    assert database.substitutions == "P=OWN:,R=1,N=3"


def test_a_macro_may_be_empty() -> None:
    assert parse(("a.db",), ("P=",))[0].substitutions == "P="


@pytest.mark.parametrize(("entries", "macros"), [(("a.db,P",), ()), (("a.db",), ("P",)), (("a.db",), ("P=1,Q=2",))])
def test_a_macro_that_is_none_is_refused_with_the_form_to_use(entries: tuple[str, ...], macros: tuple[str, ...]) -> None:
    with pytest.raises(SettingsError, match="NAME=VALUE"):
        parse(entries, macros)


@pytest.mark.parametrize("text", [GOOD, "", "# only a comment (", DEMO.read_text(), "record(ai, $(P)A) {\n}\n"])
def test_a_balanced_database_passes(text: str) -> None:
    assert unbalanced(text) is None


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('record(ai, "A") {\n  field(VAL, "1")\n', 1, "'{' is never closed"),
        ('record(ai, "A") {\n  field(VAL, "1"\n', 2, "'(' is never closed"),
        ('record(ai, "A") {\n  field(VAL, "1)\n}\n', 2, "no closing quote"),
        ('\n\nrecord(ai, "A") {\n}}\n', 4, "'}' closes nothing"),
        ('record(ai, "A"} {\n', 1, "'}' closes nothing"),
    ],
)
def test_what_has_no_partner_is_found_with_its_line(text: str, line: int, words: str) -> None:
    found = unbalanced(text)

    assert found is not None
    assert found[0] == line
    assert words in found[1]


def test_the_error_names_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "bad.db"
    file.write_text('record(ai, "A") {\n')

    with pytest.raises(StackError, match=r"bad\.db, line 1: '\{' is never closed"):
        check(Database(path=file))


@pytest.mark.parametrize("name", ["missing.db", "."])
def test_a_path_that_is_no_readable_file_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="a database file that can be read"):
        databases.check(Database(path=tmp_path / name))
