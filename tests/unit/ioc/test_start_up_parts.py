"""Substitutions, macros, databases without unknown types, the tree of an IOC, save files."""

from pathlib import Path

import pytest

from testbeam.errors import StackError
from testbeam.services.ioc.autosave import restoring, saved, saved_array
from testbeam.services.ioc.commands import raw
from testbeam.services.ioc.databases import without_types
from testbeam.services.ioc.project import Project
from testbeam.services.ioc.startup import open_quote, parse_macros
from testbeam.services.ioc.substitutions import parse_substitutions


@pytest.mark.parametrize(
    ("text", "macros"),
    [
        ("P=X:,N=3", (("P", "X:"), ("N", "3"))),
        (' P = X: , N="a, b" ', (("P", "X:"), ("N", "a, b"))),
        ("P=,Q='x y'", (("P", ""), ("Q", "x y"))),
        ("", ()),
        ("rubbish,P=1", (("P", "1"),)),
    ],
)
def test_macros(text: str, macros: tuple[tuple[str, str], ...]) -> None:
    assert parse_macros(text) == macros


def test_substitutions_in_all_their_forms(tmp_path: Path) -> None:
    file = tmp_path / "x.substitutions"
    file.write_text(
        '# comment\nglobal { G=1 }\nfile "a.template" { pattern { X, Y } { 1, "two, three" } {4 5} }\nfile b.db { { X=1, Y="" } {None} }\n'
    )
    made = [(one.template, one.macros) for one in parse_substitutions(file)]
    assert made == [
        ("a.template", (("G", "1"), ("X", "1"), ("Y", "two, three"))),
        ("a.template", (("G", "1"), ("X", "4"), ("Y", "5"))),
        ("b.db", (("G", "1"), ("X", "1"), ("Y", ""))),
        ("b.db", (("G", "1"),)),
    ]


@pytest.mark.parametrize(("text", "line"), [("file x {\n { A=1\n", 3), ("nonsense", 1), ("file x {\n 5 }", 2)])
def test_substitutions_that_are_wrong_are_told_with_file_and_line(text: str, line: int, tmp_path: Path) -> None:
    file = tmp_path / "x.substitutions"
    file.write_text(text)
    with pytest.raises(StackError, match=f"x.substitutions, line {line}"):
        parse_substitutions(file)


def test_records_of_unknown_types_are_left_out_and_lines_stay() -> None:
    text = 'record(ai, "A") { }\nrecord(scalcout, "$(P)S") {\n field(CALC, "}{")\n}\nrecord(asyn, B) {\n}\nrecord(ao, "C") { }\n'
    kept, left_out = without_types(text, frozenset({"ai", "ao"}))
    assert left_out == {"scalcout": ["$(P)S"], "asyn": ["B"]}
    assert kept.count("\n") == text.count("\n")
    assert [line for line in kept.splitlines() if line] == ['record(ai, "A") { }', 'record(ao, "C") { }']


def test_files_are_found_where_the_sources_are(tmp_path: Path) -> None:
    for name in ("iocBoot/iocX/st.cmd", "xApp/Db/x.db", "yApp/Db/y.substitutions", "configure/RELEASE", "O.linux/x.db"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("SUPPORT = /opt/support\nASYN=$(SUPPORT)/asyn # comment\n" if name.endswith("RELEASE") else "")
    project = Project(tmp_path / "iocBoot/iocX/st.cmd")
    assert project.top == tmp_path
    assert project.find("db/x.db") == tmp_path / "xApp/Db/x.db"
    assert project.find("db/y.db") == tmp_path / "yApp/Db/y.substitutions"
    assert project.find("db/none.db") is None
    environment = project.environment()
    assert (environment["IOC"], environment["TOP"], environment["ASYN"]) == ("iocX", str(tmp_path), "/opt/support/asyn")


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("VOLT 42.5", 'record("*", "VOLT") { field(VAL, "42.5") }\n'),
        ('A:B.DESC a "b"', 'record("*", "A:B") { field(DESC, "a \\"b\\"") }\n'),
        ("# comment", ""),
        ('ARRAY @array@ { "1" }', ""),
        ("<END>", ""),
        ("", ""),
    ],
)
def test_lines_of_save_files(line: str, text: str) -> None:
    assert restoring(line) == text


@pytest.mark.parametrize("elements", [(), ("1.5", "-2.0"), ('a "b"', "c\\d", "{ }"), ("",)])
def test_arrays_of_save_files_come_back_as_they_went(elements: tuple[str, ...]) -> None:
    assert saved_array(saved("A:B.VAL", elements)) == ("A:B.VAL", elements)


def test_a_line_that_holds_no_array_is_none() -> None:
    assert saved("VOLT", "42.5") == "VOLT 42.5"
    assert saved_array("VOLT 42.5") is None


def test_escapes_of_terminators() -> None:
    assert raw(r"A\r\n\x03\012") == b"A\r\n\x03\n"


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ('echo "a" \'b"\' \\" c', None),
        ('echo "two \\" half"', 17),
        ("echo # it's", 9),
        ('dbLoadRecords("x.db)', 14),
    ],
)
def test_a_quote_is_open_where_iocsh_says_so(line: str, column: int | None) -> None:
    marked = "" if column is None else f"a quote is not closed, and iocsh does not run this line\n    {line}\n    {' ' * column}^"
    assert open_quote(line) == marked
