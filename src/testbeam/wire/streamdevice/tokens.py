"""Tokens of a protocol file: words, quoted strings, variables and single marks, each with its place.

The text of a file is held with one character a byte (latin-1). Outside of quotes case does not matter, and `#` begins a comment.
Source: docs/reference/contracts/ioc.md, "Protocol files".
"""

import re
from dataclasses import dataclass, field
from typing import Literal

from testbeam.errors import ProtocolError

Kind = Literal["word", "string", "variable", "mark", "end"]

_SPACE = re.compile(r"(?:[\s\x00]|#[^\n]*)*")
_NAME_WORD = re.compile(r"[^\s,;{}=()$'\"#]+")
_VALUE_WORD = re.compile(r"[^\s,;{}=()$'\"#+\-*/]+")
_PLAIN = {quote: re.compile(rf"(?:[^{quote}\\\n]|\\[^$\n])*") for quote in "\"'"}
_QUOTED_NAME = re.compile(r"\d|\{([^}\n]*)\}|(\w+)")
_BARE_NAME = re.compile(r"\d|\{\s*([^}\n]*?)\s*\}|([^\s,;{}=()$'\"#+\-*/]+)")


@dataclass(frozen=True, slots=True)
class Source:
    """A text with a name; says where an error is."""

    file: str
    text: str = field(repr=False)

    def line(self, at: int) -> int:
        """Return the number of the line, from 1, that the character at `at` is in."""
        return self.text.count("\n", 0, at) + 1

    def error(self, at: int, problem: str) -> ProtocolError:
        """Return the error for a problem at this character."""
        begin = self.text.rfind("\n", 0, at) + 1
        end = self.text.find("\n", at)
        line = self.text[begin : end if end >= 0 else None].replace("\t", " ")
        marked = f"    {line}\n    {' ' * (at - begin)}^" if line.isprintable() else ""
        return ProtocolError(self.file, self.line(at), problem, marked)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One token. A word is in lower case; a string is what stands between its quotes, escapes and all."""

    kind: Kind
    text: str
    source: Source
    at: int
    glued: bool = False  # nothing stands between the token before and this one
    quoted: bool = False  # a variable within a quoted string

    def error(self, problem: str) -> ProtocolError:
        """Return the error for a problem with this token."""
        return self.source.error(self.at, problem)


class Scanner:
    """Reads tokens from a text, one after the other."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.at = 0
        self._quote = ""  # the quote of the string we are in, between two of its tokens

    def name(self) -> Token:
        """Return the next token where a name is expected; names may hold the signs + - * /."""
        return self._next(_NAME_WORD)

    def value(self) -> Token:
        """Return the next token of a value or an argument."""
        return self._next(_VALUE_WORD)

    def back(self, at: int) -> None:
        """Go back to a place outside of strings."""
        self.at, self._quote = at, ""

    def _next(self, word: re.Pattern[str]) -> Token:
        text, before = self.source.text, self.at
        if self._quote:
            return self._string(glued=True)
        self.at = _match(_SPACE, text, before).end()
        glued = self.at == before
        if self.at >= len(text):
            return self._token("end", "", self.at, glued=glued)
        if text[self.at] in "\"'":
            self._quote = text[self.at]
            self.at += 1
            return self._string(glued=glued)
        if text[self.at] == "$":
            return self._variable(_BARE_NAME, self.at, self.at + 1, glued=glued)
        return self._word(word, glued=glued)

    def _word(self, word: re.Pattern[str], *, glued: bool) -> Token:
        at = self.at
        match = word.match(self.source.text, at)
        if match is None:
            self.at += 1
            return self._token("mark", self.source.text[at], at, glued=glued)
        self.at = match.end()
        return self._token("word", match[0].lower(), at, glued=glued)

    def _string(self, *, glued: bool) -> Token:
        text, at = self.source.text, self.at
        if text.startswith("\\$", at):
            return self._variable(_QUOTED_NAME, at, at + 2, glued=True, quoted=True)
        end = _match(_PLAIN[self._quote], text, at).end()
        if text.startswith("\\$", end):
            self.at = end
        elif text.startswith(self._quote, end):
            self.at, self._quote = end + 1, ""
        elif text.startswith("\\", end):
            raise self.source.error(end, "a line ends with a backslash within a string; close the string before the end of the line")
        else:
            raise self.source.error(max(at - 1, 0), f"this string has no closing {self._quote} on its line")
        return self._token("string", text[at:end], at, glued=glued)

    def _variable(self, names: re.Pattern[str], at: int, name_at: int, *, glued: bool, quoted: bool = False) -> Token:
        match = names.match(self.source.text, name_at)
        if match is None:
            raise self.source.error(at, "a variable's name is expected after $")
        self.at = match.end()
        name = next((group for group in match.groups() if group is not None), match[0])
        return self._token("variable", name.lower(), at, glued=glued, quoted=quoted)

    def _token(self, kind: Kind, text: str, at: int, *, glued: bool, quoted: bool = False) -> Token:
        return Token(kind=kind, text=text, source=self.source, at=at, glued=glued, quoted=quoted)


def value_tokens(source: Source) -> tuple[Token, ...]:
    """Return all tokens of a text that is a value as a whole, such as an argument of a link."""
    scanner = Scanner(source)
    tokens = []
    while (token := scanner.value()).kind != "end":
        tokens.append(token)
    return tuple(tokens)


def _match(pattern: re.Pattern[str], text: str, at: int) -> re.Match[str]:
    match = pattern.match(text, at)
    assert match is not None  # both patterns match the empty string
    return match
