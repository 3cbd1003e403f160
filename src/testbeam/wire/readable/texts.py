"""Times, byte strings and foreign texts as words that can't break a line or a terminal."""

from datetime import UTC, datetime, timedelta

from testbeam.model.time import MS_PER_S, NS_PER_S

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def printable(text: str, most: int | None = None) -> str:
    """Return text without control characters (a payload must not steer the terminal), cut after `most` characters."""
    cut = text if most is None or len(text) <= most else f"{text[:most]}… ({len(text)} characters)"
    return (
        cut if cut.isprintable() else "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in cut)
    )


def bytes_text(raw: bytes | None, most: int = 64) -> str:
    """Return a key or header as text where it is printable UTF-8, else as 0x…; `-` for none at all."""
    if raw is None:
        return "-"
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = "\0"
    return printable(text, most) if text.isprintable() else hex_head(raw, most)


def hex_head(raw: bytes, most: int = 16) -> str:
    """Return the first bytes as 0x…, with … where there are more."""
    return f"0x{raw[:most].hex()}{'…' if len(raw) > most else ''}"


def hex_dump(raw: bytes, *, full: bool = False) -> list[str]:
    """Return lines of offset, sixteen bytes and their characters; the first sixteen lines unless `full`."""
    shown = raw if full else raw[:256]
    lines = [
        f"{at:06x}  {row.hex(' '):<47}  {''.join(chr(one) if 32 <= one < 127 else '.' for one in row)}"
        for at in range(0, len(shown), 16)
        for row in (shown[at : at + 16],)
    ]
    return lines if len(shown) == len(raw) else [*lines, f"… {len(raw) - len(shown)} more bytes"]


def time_ms(at_ms: int) -> str:
    """Return ms since 1970 as UTC, `2026-11-21T07:53:35.123Z`; a number no calendar holds stays a number."""
    return _time(at_ms, MS_PER_S, 3, "ms")


def time_ns(at_ns: int) -> str:
    """Return ns since 1970 as UTC, down to the nanosecond; a number no calendar holds stays a number."""
    return _time(at_ns, NS_PER_S, 9, "ns")


def size(count: int) -> str:
    """Return a number of bytes as `12 B`, `3.4 kB`, `5.6 MB`."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count} B"


def _time(at: int, per_s: int, digits: int, unit: str) -> str:
    whole_s, part = divmod(int(at), per_s)
    try:
        return f"{(_EPOCH + timedelta(seconds=whole_s)).strftime('%Y-%m-%dT%H:%M:%S')}.{part:0{digits}}Z"
    except (OverflowError, ValueError):
        return f"{at} {unit}"
