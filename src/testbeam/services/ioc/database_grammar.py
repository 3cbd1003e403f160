"""Grammar of database files: the first place that EPICS base would refuse, as file, line and a mark under it. For looks without base.

Source: dbLex.l and dbYacc.y of EPICS base 7.0.10, of which what a database holds is taken: a value is a word, a string or JSON.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

_TOKEN = re.compile(
    r"""\s+|\#[^\n]*"""
    r"""|(?P<string>"(?:\\.|[^"\\\n])*")|(?P<single>'(?:\\.|[^'\\\n])*')"""
    r"""|(?P<mark>[(){},])|(?P<word>[\w\-+:.\[\]<>;]+)|(?P<wrong>.)"""
)
_VALUE_WORD = re.compile(r"[\w.+\-]+")
_PUNCTUATION = re.compile(r"[\[\]]|[^\[\]]+")
_PLACED = ("field", "info")
_DEFINITIONS = ("menu", "recordtype", "device", "driver", "link", "registrar", "function", "variable", "breaktable")
_CLOSES = {"{": "}", "[": "]"}


@dataclass(frozen=True, slots=True)
class Token:
    """One token and the offset of its first character."""

    kind: str
    text: str
    at: int


class _Broken(Exception):
    """The text breaks the grammar at a place."""

    def __init__(self, at: int, problem: str) -> None:
        super().__init__(problem)
        self.at = at


@dataclass(frozen=True, slots=True)
class SyntaxFault:
    """Where a text breaks the grammar: its line, from 1, what is wrong, and the line with a mark under the place."""

    line: int
    problem: str
    marked: str

    def __str__(self) -> str:
        return f"{self.problem}\n{self.marked}"


def fault(text: str) -> SyntaxFault | None:
    """Return the first fault of a text whose macros are put in, or None."""
    try:
        _Reader(text).file()
    except _Broken as broken:
        line = text.count("\n", 0, broken.at) + 1
        return SyntaxFault(line, str(broken), marked(text.split("\n")[line - 1], broken.at - text.rfind("\n", 0, broken.at) - 1))
    return None


def marked(line: str, column: int) -> str:
    """Return a line with a mark under one of its columns, both indented."""
    return f"    {line.replace(chr(9), ' ')}\n    {' ' * column}^"


class _Reader:
    def __init__(self, text: str) -> None:
        self._end = Token("end", "the end of the file", len(text.rstrip()))
        self._tokens = _tokens(text)
        self._next = next(self._tokens, self._end)

    def file(self) -> None:
        while self._next.kind != "end":
            head = self._take()
            if head.text in ("record", "grecord"):
                self._record()
            elif head.text == "alias":
                self._arguments(2)
            elif head.text in ("include", "path", "addpath"):
                self._expect(("string",), "a string")
            elif head.text in _DEFINITIONS:
                self._definition()
            else:
                _refuse(head, "record, alias, include or another word that begins a definition")

    def _record(self) -> None:
        self._arguments(2)
        if self._next.text != "{" or self._next.kind != "mark":
            return
        self._take()
        while not self._is("}"):
            self._entry()
        self._take()

    def _entry(self) -> None:
        head = self._take()
        if head.text in _PLACED:
            self._mark("(")
            self._expect(("string", "word"), "a name")
            self._mark(",")
            self._value()
            self._mark(")")
        elif head.text == "alias":
            self._arguments(1)
        elif head.text == "include":
            self._expect(("string",), "a string")
        else:
            _refuse(head, "field, info, alias or '}'")

    def _arguments(self, number: int) -> None:
        self._mark("(")
        for index in range(number):
            if index:
                self._mark(",")
            self._expect(("string", "word"), "a name")
        self._mark(")")

    def _value(self) -> None:
        first = self._take()
        if first.kind == "string":
            return
        if first.text == "{" or first.text.startswith("["):
            self._json(first)
        elif first.kind != "word":
            _refuse(first, "a value")
        elif wrong := _VALUE_WORD.sub("", first.text)[:1]:
            raise _Broken(first.at + first.text.index(wrong), f"{wrong!r} has to be in a string, with the whole value")

    def _json(self, first: Token) -> None:
        """Go through arrays and objects, of which only the brackets are looked at."""
        opened: list[Token] = []
        token = first
        while True:
            for part in _PUNCTUATION.findall(token.text) if token.kind in ("word", "mark") else ():
                if part in _CLOSES:
                    opened.append(Token("mark", part, token.at))
                elif part in ("}", "]") and (not opened or _CLOSES[opened.pop().text] != part):
                    _refuse(token, "the bracket that fits")
            if not opened:
                return
            if self._next.kind == "end" or self._next.text in ("(", ")"):
                raise _Broken(opened[-1].at, f"{opened[-1].text!r} is never closed")
            token = self._take(("string", "single", "word", "mark"))

    def _definition(self) -> None:
        """Go through a definition of a `.dbd` file, of which only the brackets are looked at."""
        depth = 0
        while self._next.kind != "end" and (depth or self._is("(") or self._is("{")):
            token = self._take(("string", "single", "word", "mark", "wrong"))
            depth += {"(": 1, "{": 1, ")": -1, "}": -1}.get(token.text, 0) if token.kind == "mark" else 0

    def _is(self, mark: str) -> bool:
        return self._next.kind == "mark" and self._next.text == mark

    def _mark(self, mark: str) -> None:
        if not self._is(mark):
            _refuse(self._next, f"'{mark}'")
        self._take()

    def _expect(self, kinds: tuple[str, ...], what: str) -> None:
        if self._next.kind not in kinds:
            _refuse(self._next, what)
        self._take()

    def _take(self, kinds: tuple[str, ...] = ("string", "word", "mark")) -> Token:
        token = self._next
        if token.kind == "end":
            raise _Broken(token.at, "the file ends where more is to come; is a bracket not closed?")
        if token.kind not in kinds:
            _refuse(token, "something else")
        self._next = next(self._tokens, self._end)
        return token


def _tokens(text: str) -> Iterator[Token]:
    for match in _TOKEN.finditer(text):
        if match.lastgroup:
            yield Token(match.lastgroup, match[0], match.start())


def _refuse(token: Token, expected: str) -> NoReturn:
    if token.kind == "wrong":
        problem = "the string has no closing quote" if token.text in "\"'" else f"{token.text!r} has no place outside of strings"
        raise _Broken(token.at, problem)
    if token.kind == "single":
        raise _Broken(token.at, "strings stand in double quotes")
    raise _Broken(token.at, f"expected {expected}, not {token.text if token.kind == 'end' else repr(token.text.strip(chr(34)))}")
