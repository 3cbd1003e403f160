"""Faults of database files are found where EPICS base 7.0.10 refuses them; each text was given to base, too."""

import pytest

from testbeam.services.ioc.database_grammar import fault

GOOD = (
    'record(ai, "A")\n',
    'record(ai, "A") { field(DESC, "") info(a, {b:1}) alias("B") }\nalias("A","C")\n',
    'record("ai", "A") { field(INP, [1,2]) field("PREC", 3) field(EGU, true) field(LOPR, -1.5e3) }',
    'grecord(ai, A:B-1<x>;[2]) { # a comment, "it\'s"\n info(Q:group, {"a":{"b":{+channel:"VAL"}}}) }',
    'record(ai,"A"){ field(INP, {const: "a", }) field(OUT, {pva:{pv:\'x\',field:y}}) include "more.db" }',
    'path "."\naddpath "x"\ninclude "y.db"\nmenu(m) { choice(a, "b") }\nbreaktable(t) { 1 2 }\nregistrar(r)\n',
    'record("*", "A") { field(VAL, "a\\"b") }',
    "# nothing\n",
)
BAD = {
    'record(ai "A") {}': (1, 10, "expected ','"),
    'record(ai, "A", "B") {}': (1, 14, "expected ')'"),
    'record(ai, "A") {\n  field(DESC "x")\n}': (2, 13, "expected ','"),
    'record(ai, "A") { field(DESC, ) }': (1, 30, "expected a value"),
    'record(ai, "A") { field(DESC, "a",) }': (1, 33, "expected ')'"),
    'record(ai, "A") { field(DESC, a b) }': (1, 32, "expected ')'"),
    'record(ai, "A") { field(DESC, "a"), field(EGU, "b") }': (1, 34, "expected field, info, alias or '}'"),
    'record(ai, "A") { field(INP, @x.proto get P) }': (1, 29, "'@' has no place outside of strings"),
    'record(ai, "A") { field(INP, B:C) }': (1, 30, "':' has to be in a string"),
    'record(ai, "A") { field(INP, {a:[1}) }': (1, 34, "expected the bracket that fits"),
    'record(ai, "A") { field(INP, {a:1) }': (1, 29, "'{' is never closed"),
    'record(ai, "A") { field(DESC, "x) }': (1, 30, "the string has no closing quote"),
    "record(ai, 'A') { }": (1, 11, "strings stand in double quotes"),
    'record(ai, "A") { desc("x") }': (1, 18, "expected field, info, alias or '}'"),
    'record(ai, "A") { field(DESC, "x")\n': (1, 34, "the file ends where more is to come"),
    'record(ai, "A") { };': (1, 19, "expected record, alias, include"),
    "recrod(ai)": (1, 0, "expected record, alias, include"),
    'record(*, "A") { }': (1, 7, "'*' has no place outside of strings"),
}


@pytest.mark.parametrize("text", GOOD)
def test_what_base_takes_has_no_fault(text: str) -> None:
    assert fault(text) is None


@pytest.mark.parametrize("text", BAD)
def test_a_fault_is_told_with_its_line_and_marked_at_its_place(text: str) -> None:
    line, column, problem = BAD[text]
    found = fault(text)

    assert found is not None
    assert found.line == line
    assert problem in found.problem
    assert found.marked == f"    {text.splitlines()[line - 1]}\n    {' ' * column}^"
