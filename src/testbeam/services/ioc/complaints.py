"""Complaints of EPICS base about a database, in one line, out of what it prints on several.

Source: dbLexRoutines.c and dbYacc.y of EPICS base 7.0.10: `ERROR: <problem>`, a hint, then `at or before 'x' in path "." file "f" line n`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from testbeam.model.plain_text import uncoloured
from testbeam.services.ioc import database_grammar, database_text
from testbeam.services.ioc.databases import Database

_PLACE = re.compile(r'at or before .*?\bfile "(?P<file>[^"]*)" line (?P<line>\d+)')
_UNDEFINED = re.compile(r"macLib: macro (?P<macro>\S+) is undefined")
_WARNED_LINE = re.compile(r"'(?P<file>[^']*)' line (?P<line>\d+) has undefined macros")
_HINT = re.compile(r'^\s+(?P<hint>Did you mean ".*)$', re.MULTILINE)
_QUOTED = re.compile(r"'([^'.]+)'")
_PROBLEM = re.compile(r"^ERROR:? +(?P<problem>(?!at or before|Failed to load).*\S)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """The first thing that base found wrong; `line` is None where it names none."""

    file: str
    line: int | None
    problem: str

    def __str__(self) -> str:
        place = f"{self.file}, line {self.line}" if self.line is not None else self.file
        return f"{place}: {self.problem}"


def find(output: str, loaded: Path) -> Complaint | None:
    """Return the first complaint in what base printed while it loaded `loaded`, or None where it had none.

    An undefined macro is a warning to base, which goes on with a record called `$(P,undefined)VOLT`; here it is a complaint.
    """
    return next(_complaints(uncoloured(output), loaded), None)


def mark(complaint: Complaint, database: Database) -> str:
    """Return the line that a complaint is about with a mark under the place, on lines of their own; "" where it is in another file."""
    if complaint.line is None or complaint.file != str(database.path):
        return ""
    lines = database_text.expand(database.path.read_text(errors="replace"), dict(database.macros)).text.split("\n")
    broken = database_grammar.fault("\n".join(lines))
    if broken is not None and broken.line == complaint.line:
        return f"; {broken}"
    line = lines[complaint.line - 1] if complaint.line <= len(lines) else ""
    named = next((line.find(word) for word in _QUOTED.findall(complaint.problem) if word in line), len(line) - len(line.lstrip()))
    return f"\n{database_grammar.marked(line, named)}"


def _complaints(text: str, loaded: Path) -> Iterator[Complaint]:
    if undefined := _UNDEFINED.search(text):
        macro = undefined["macro"]
        way_out = f"give --macro {macro}=VALUE, or one for this file: --db {loaded},{macro}=VALUE"
        yield Complaint(file=str(loaded), line=_line(_WARNED_LINE.search(text)), problem=f"macro {macro} has no value; {way_out}")
    if problem := _PROBLEM.search(text):
        place = _PLACE.search(text)
        hint = _HINT.search(text)
        yield Complaint(
            file=place["file"] if place else str(loaded),
            line=_line(place),
            problem=problem["problem"] + (f"; {hint['hint'][0].lower()}{hint['hint'][1:]}" if hint else ""),
        )


def _line(match: re.Match[str] | None) -> int | None:
    return int(match["line"]) if match else None
