"""Database files with their macros, and what can be seen wrong with them before EPICS base reads them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from testbeam.errors import SettingsError, StackError

DEMO = Path(__file__).with_name("db") / "demo.db"

_PART = re.compile(r"((?:\\.|[^,\\])*)(?:,|$)", re.DOTALL)  # a comma of the path itself is written \\,
_MACRO = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_.-]*)\s*=(.*)", re.DOTALL)
# A string ends on its line, as in base's lexer; \\. lets \" pass; JSON values may hold strings in single quotes.
_SKIPPED = r"""(?:"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\#[^\n]*)"""
_TOKENS = re.compile(_SKIPPED + r'|[{}()"\n]')


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """One file and the macros it is expanded with."""

    path: Path
    macros: tuple[tuple[str, str], ...] = ()

    @property
    def substitutions(self) -> str:
        """Return the macros in the form of `dbLoadRecords`: `P=X:,N=3`."""
        return ",".join(f"{name}={value}" for name, value in self.macros)


def parse(entries: Sequence[str], common_macros: Sequence[str]) -> tuple[Database, ...]:
    """Return the databases of `--db` entries (`FILE,NAME=VALUE,…`); a file's own macro wins over a common one.

    Raises:
        SettingsError: a macro is not NAME=VALUE.
    """
    common = dict(_macro("--macro", text) for text in common_macros)
    return tuple(_database(entry, common) for entry in entries)


def _database(entry: str, common: dict[str, str]) -> Database:
    path, *macros = (re.sub(r"\\([,\\])", r"\1", part) for part in _PART.findall(f"{entry},")[:-1])
    own = dict(_macro("--db", text) for text in macros)
    return Database(path=Path(path), macros=tuple((common | own).items()))


def _macro(option: str, text: str) -> tuple[str, str]:
    match = _MACRO.fullmatch(text)
    if match is None or "," in match[2]:
        raise SettingsError(option, text, "macros as NAME=VALUE without a comma in the value, such as P=X:")
    return match[1], match[2]


def check(database: Database) -> None:
    """Find what EPICS base would pass over in silence (a folder) or end by a crash (a record without its closing brace).

    Raises:
        SettingsError: the path is not a file that can be read.
        StackError: braces, parentheses or quotes don't match; names file and line.
    """
    try:
        text = database.path.read_text(errors="replace")
    except OSError as error:
        raise SettingsError("--db", str(database.path), f"the path of a database file that can be read ({error.strerror})") from error
    problem = unbalanced(text)
    if problem is not None:
        raise StackError(f"{database.path}, line {problem[0]}: {problem[1]}")


def unbalanced(text: str) -> tuple[int, str] | None:
    """Return line and description of the first bracket or quote that has no partner, or None."""
    bare = re.sub(_SKIPPED, "", text)
    if '"' not in bare and bare.count("{") == bare.count("}") and bare.count("(") == bare.count(")"):
        return None  # at the speed of C, for databases of thousands of records
    line, open_brackets = 1, list[tuple[int, str]]()
    for part in _TOKENS.findall(text):
        if part == "\n":
            line += 1
        elif part == '"':
            return line, "a string has no closing quote"
        elif part in "{(":
            open_brackets.append((line, part))
        elif part in "})" and (not open_brackets or open_brackets.pop()[1] + part not in ("{}", "()")):
            return line, f"{part!r} closes nothing"
    return (open_brackets[-1][0], f"{open_brackets[-1][1]!r} is never closed") if open_brackets else None


_RECORD = re.compile(r'\bg?record\s*\(\s*"?(?P<type>\w+)"?\s*,\s*(?:"(?P<quoted>[^"\n]*)"|(?P<bare>[^\s){]+))\s*\)\s*')


def without_types(text: str, known: frozenset[str]) -> tuple[str, dict[str, list[str]]]:
    """Return a database without its records of other types than these, its lines where they were; and the names of those, by type."""
    kept, left_out, at = list[str](), dict[str, list[str]](), 0
    for match in _RECORD.finditer(text):
        if match["type"] in known or match["type"] == "*" or match.start() < at:
            continue
        end = _end_of_body(text, match.end())
        kept += [text[at : match.start()], "\n" * text.count("\n", match.start(), end)]
        left_out.setdefault(match["type"], []).append(match["quoted"] or match["bare"] or "")
        at = end
    return "".join(kept) + text[at:], left_out


def _end_of_body(text: str, at: int) -> int:
    """Return where the braces that begin at `at` are closed, or `at` where there are none."""
    if not text.startswith("{", at):
        return at
    depth = 0
    for match in _TOKENS.finditer(text, at):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if depth == 0:
            return match.end()
    return len(text)
