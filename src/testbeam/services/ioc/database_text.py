"""Records of database files as text: type, name, fields, with macros put in, each with its place. For looking at them without base.

Source: the application developer's guide of EPICS base, "Database definition".
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_TOKEN = re.compile(r'\#[^\n]*|\s+|"(?P<quoted>(?:\\.|[^"\\\n])*)"|(?P<mark>[(){},])|(?P<bare>[^\s(){},"#]+)')
_MACRO = re.compile(r"\$(?:\((?P<a>[^()$=]+)(?:=(?P<b>[^()]*))?\)|\{(?P<c>[^{}$=]+)(?:=(?P<d>[^{}]*))?\})")


@dataclass(frozen=True, slots=True)
class TextRecord:
    """One record as it is written."""

    type: str
    name: str
    file: Path
    line: int
    fields: dict[str, tuple[str, int]] = field(default_factory=dict)  # name → value, line


@dataclass(slots=True)
class Expanded:
    """A text with macros put in, and the macros that had no value, with their lines."""

    text: str
    unset: dict[str, int]


def expand(text: str, macros: Mapping[str, str]) -> Expanded:
    """Put macros in, those within values of macros, too."""
    unset: dict[str, int] = {}
    lines = text.split("\n")
    for index, line in enumerate(lines):
        if "$" in line and not line.lstrip().startswith("#"):
            lines[index] = _expanded_line(line, macros, unset, index + 1)
    return Expanded("\n".join(lines), unset)


def _expanded_line(line: str, macros: Mapping[str, str], unset: dict[str, int], number: int) -> str:
    def value(match: re.Match[str]) -> str:
        name, default = (match["a"] or match["c"]).strip(), match["b"] if match["a"] else match["d"]
        if name in macros:
            return macros[name]
        if default is not None:
            return default[1:-1] if len(default) > 1 and default[0] == default[-1] and default[0] in "\"'" else default
        unset.setdefault(name, number)
        return f"<{name}>"

    for _ in range(10):
        before, line = line, _MACRO.sub(value, line)
        if line == before:
            break
    return line


def records(file: Path, text: str) -> Iterator[TextRecord]:
    """Yield the records of a text whose macros are put in; what breaks the grammar is passed over, as base tells of it."""
    tokens = list(_tokens(text))
    at = 0
    while at < len(tokens):
        word, line, _ = tokens[at]
        head = [token[0] for token in tokens[at + 1 : at + 6]]
        if word in ("record", "grecord") and len(head) == 5 and (head[0], head[2], head[4]) == ("(", ",", ")"):
            made = TextRecord(head[1], head[3], file, line)
            at = _body(tokens, at + 6, made)
            yield made
        else:
            at += 1


def _body(tokens: list[tuple[str, int, bool]], at: int, record: TextRecord) -> int:
    if at >= len(tokens) or tokens[at][0] != "{":
        return at
    at += 1
    while at < len(tokens) and not (tokens[at][0] == "}" and not tokens[at][2]):
        word, line, _ = tokens[at]
        parts = [token[0] for token in tokens[at + 1 : at + 6]]
        if word == "field" and len(parts) == 5 and (parts[0], parts[2], parts[4]) == ("(", ",", ")"):
            record.fields[parts[1]] = (parts[3], line)
            at += 6
        else:
            at += 1
    return at + 1


def _tokens(text: str) -> Iterator[tuple[str, int, bool]]:
    """Yield each token with its line, and whether it was quoted."""
    at, line = 0, 1
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            at += 1
            continue
        if match.lastgroup:
            quoted = match["quoted"]
            yield (_unescaped(quoted) if quoted is not None else match[match.lastgroup]), line, quoted is not None
        line += match[0].count("\n")
        at = match.end()


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)
