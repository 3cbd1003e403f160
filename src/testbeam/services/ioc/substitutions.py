"""Substitution files: which template is loaded with which macros.

Source: the manual of msi and of dbLoadTemplate in EPICS base.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from testbeam.errors import StackError

_TOKEN = re.compile(r"""\s+|\#[^\n]*|"(?P<quoted>(?:\\.|[^"\\\n])*)"|'(?P<single>[^'\n]*)'|(?P<mark>[{}=,])|(?P<word>[^\s{}=,"'#]+)""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expansion:
    """A template and the macros for one loading of it."""

    template: str
    macros: tuple[tuple[str, str], ...]
    line: int

    @property
    def substitutions(self) -> str:
        """Return the macros in the form of `dbLoadRecords`."""
        return ",".join(f'{name}="{value}"' if "," in value or '"' in value else f"{name}={value}" for name, value in self.macros)


def parse_substitutions(path: Path) -> tuple[Expansion, ...]:
    """Return what a substitution file loads.

    Raises:
        StackError: it breaks the grammar; names file and line.
    """
    try:
        text = path.read_text(errors="replace")
    except OSError as error:
        raise StackError(f"{path}: {error.strerror}") from error
    return tuple(_Reader(path, text).expansions())


class _Reader:
    """Reads one file."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._text = text
        self._tokens = list(self._scan())
        self._at = 0
        self._common: list[tuple[str, str]] = []

    def _scan(self) -> Iterator[tuple[str, str, int]]:
        at, line = 0, 1
        while at < len(self._text):
            match = _TOKEN.match(self._text, at)
            if match is None:
                raise StackError(f"{self._path}, line {line}: {self._text[at]!r} is not expected here")
            if match.lastgroup:
                yield match.lastgroup, match[match.lastgroup], line
            line += match[0].count("\n")
            at = match.end()

    def _next(self) -> tuple[str, str, int]:
        if self._at >= len(self._tokens):
            raise StackError(f"{self._path}, line {self._text.count(chr(10)) + 1}: the file ends within a block; '}}' is missing")
        self._at += 1
        return self._tokens[self._at - 1]

    def _peek(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) and self._tokens[self._at][0] == "mark" else ""

    def expansions(self) -> Iterator[Expansion]:
        while self._at < len(self._tokens):
            kind, word, line = self._next()
            if word == "global" and kind == "word":
                self._expect("{")
                self._common += self._assignments()
            elif word == "file" and kind == "word":
                yield from self._file()
            else:
                raise StackError(f"{self._path}, line {line}: 'file' or 'global' is expected, not {word!r}")

    def _expect(self, mark: str) -> None:
        kind, word, line = self._next()
        if kind != "mark" or word != mark:
            raise StackError(f"{self._path}, line {line}: {mark!r} is expected, not {word!r}")

    def _file(self) -> Iterator[Expansion]:
        _, template, line = self._next()
        self._expect("{")
        names: list[str] | None = None
        if self._at < len(self._tokens) and self._tokens[self._at][1] == "pattern":
            self._next()
            self._expect("{")
            names = self._words()
        while self._peek() != "}":
            _, word, line = self._next()
            if word == "global":
                self._expect("{")
                self._common += self._assignments()
            elif word == "{":
                macros = self._assignments() if names is None else list(zip(names, self._words(), strict=False))
                yield Expansion(template=template, macros=(*self._common, *macros), line=line)
            elif word != ",":
                raise StackError(f"{self._path}, line {line}: '{{' is expected, not {word!r}")
        self._expect("}")

    def _words(self) -> list[str]:
        words: list[str] = []
        while True:
            kind, word, _ = self._next()
            if kind == "mark" and word == "}":
                return words
            if kind != "mark":
                words.append(word)

    def _assignments(self) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        while True:
            kind, word, line = self._next()
            if kind == "mark" and word == "}":
                return found
            if kind == "mark":
                continue
            if self._peek() != "=":
                continue  # a word such as {None} stands for no macro at all
            self._expect_assignment(line)
            value = "" if self._peek() in (",", "}") and self._peek() else self._next()[1]
            found.append((word, value))

    def _expect_assignment(self, line: int) -> None:
        kind, word, _ = self._next()
        if kind != "mark" or word != "=":
            raise StackError(f"{self._path}, line {line}: '=' is expected after a macro's name, not {word!r}")
