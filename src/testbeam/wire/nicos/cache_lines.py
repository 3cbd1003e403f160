"""The lines of the cache protocol: `[time][+ttl|-expiry]@ key[#] op [value]`, ended by LF or CRLF.

Times are seconds since 1970, as digits with a point and no sign; a ttl is in seconds. Keys are lower-cased.
Source: docs/reference/contracts/control.md, "Cache protocol".
"""

import re
from dataclasses import dataclass

from testbeam.errors import WireError

TELL = "="
ASK = "?"
WILDCARD = "*"
SUBSCRIBE = ":"
UNSUBSCRIBE = "|"
TELL_EXPIRED = "!"
LOCK = "$"
REWRITE = "~"
NO_STORE = "#"
END_MARKER = "###"
SYNC_MARKER = "#sync#"

_PATTERN = re.compile(
    r"(?:\s*(\d+\.?\d*)?\s*(?:([+-])\s*(\d+\.?\d*(?:[eE][+-]?\d+)?))?\s*(@))?"  # time, sign, ttl, mark
    r"\s*([^=?*:|!$~\r\n]*?)\s*([=?*:|!$~])\s*([^\r\n]*?)\s*\Z"  # key, operator, value
)
match_line = _PATTERN.match  # groups: time, sign, ttl, mark, key, operator, value; for the server, which has no time for an object a line


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheLine:
    """One line; `ttl_s` is relative also where the line told the time of expiry. `marked` tells whether it had an `@`."""

    key: str
    operator: str
    value: str = ""
    time_s: float | None = None
    ttl_s: float | None = None
    marked: bool = False
    no_store: bool = False

    def encode(self) -> str:
        """Return the line, ended by LF."""
        time = "" if self.time_s is None else time_text(self.time_s)
        ttl = "" if self.ttl_s is None else f"+{self.ttl_s!r}"
        mark = "@" if time or ttl or self.marked else ""
        return f"{time}{ttl}{mark}{self.key}{NO_STORE if self.no_store else ''}{self.operator}{self.value}\n"


def parse_line(text: str) -> CacheLine:
    """Return the line.

    Raises:
        WireError: it is empty, or not of the grammar.
    """
    match = match_line(text)
    if match is None:
        raise WireError("cache line", f"{text[:80]!r} is not [time][+ttl]@key op value")
    time, sign, ttl, mark, key, operator, value = match.groups()
    no_store = key.endswith(NO_STORE) and not key.endswith((END_MARKER, SYNC_MARKER))
    time_s = float(time) if time else None
    return CacheLine(
        key=(key[:-1] if no_store else key).lower(),
        operator=operator,
        value=value,
        time_s=time_s,
        ttl_s=relative_ttl(time_s or 0.0, sign, ttl),
        marked=bool(mark),
        no_store=no_store,
    )


def relative_ttl(time_s: float, sign: str | None, ttl: str | None) -> float | None:
    """Return a ttl in seconds from its text, which after a minus is the time of expiry."""
    if not ttl:
        return None
    return float(ttl) - time_s if sign == "-" else float(ttl)


def time_text(time_s: float) -> str:
    """Return a time as the protocol has it: no exponent, no sign."""
    return f"{max(time_s, 0.0):.6f}"
