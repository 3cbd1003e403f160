"""The link of a record to a protocol: `@file protocol(argument, …) port [address] [parameters]`.

Source: docs/reference/contracts/ioc.md, "Links".
"""

import re
from dataclasses import dataclass

from testbeam.errors import ConversionError

_PARTS = re.compile(r"\s*(\S*)\s*")
_NUMBER = re.compile(r"\s*([+-]?(?:0[xX][0-9a-fA-F]+|\d+))(?=\s|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Where a record finds its protocol and its device."""

    file: str
    protocol: str
    arguments: tuple[str, ...] = ()
    port: str
    address: int = -1
    parameters: str = ""


def parse_link(text: str) -> Link:
    """Return the parts of a link, which is given without its `@`.

    Raises:
        ConversionError: a part is missing; says which.
    """
    if not text.strip():
        raise ConversionError(
            "the link is empty: '@file protocol(arguments) port' is expected; perhaps '@' is missing, or INP stands for OUT"
        )
    match = _PARTS.match(text)
    assert match is not None  # it matches anything
    name, arguments, rest = _protocol(text[match.end() :])
    port, _, rest = rest.strip().partition(" ")
    for part, what in ((name, "protocol"), (port, "port")):
        if not part:
            raise ConversionError(f"the {what} is missing in the link '@{text}': '@file protocol(arguments) port' is expected")
    number = _NUMBER.match(rest)
    return Link(
        file=match[1],
        protocol=name,
        arguments=arguments,
        port=port,
        address=int(number[1], 0) if number else -1,
        parameters=rest[number.end() if number else 0 :].strip(),
    )


def _protocol(text: str) -> tuple[str, tuple[str, ...], str]:
    """Return the name of the protocol, its arguments, and what follows them."""
    match = re.match(r"([^\s(]*)(\s*)", text)
    assert match is not None
    if not text.startswith("(", match.end()):
        return match[1], (), text[match.end() :]
    begin = match.end() + 1
    end = _closing(text, begin)
    inner = text[begin:end].removesuffix(")")
    if inner == text[begin:end]:
        raise ConversionError(f"')' is missing after the arguments of protocol {match[1]!r} in '{text}'")
    return match[1], _arguments(inner), text[end:]


def _closing(text: str, at: int) -> int:
    """Return where the arguments that begin at `at` end: at white space, once the brackets are closed."""
    depth = 1
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] in "()":
            depth += 1 if text[at] == "(" else -1
        elif text[at].isspace() and depth <= 0:
            return at
        at += 1
    return len(text)


def _arguments(text: str) -> tuple[str, ...]:
    """Split at commas outside of brackets; one blank at either end of an argument is left out, unless a backslash stands before it."""
    parts, current, depth = list[list[str]](), list[str](), 0
    for part in re.findall(r"\\.|.", text, re.DOTALL):
        if part == "," and depth <= 0:
            parts.append(current)
            current = []
        else:
            depth += (part == "(") - (part == ")")
            current.append(part)
    return tuple(_argument(part) for part in (*parts, current))


def _argument(parts: list[str]) -> str:
    parts = parts[1:] if parts[:1] == [" "] else parts
    parts = parts[:-1] if parts[-1:] == [" "] else parts
    return "".join(part if part in ("\\", "\\\\") else part.removeprefix("\\") for part in parts)
