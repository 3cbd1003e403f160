"""Times on the command line: `10s`, `5m`, `2026-11-21T08:00`."""

import re
from datetime import datetime

from testbeam.errors import SettingsError

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?")


def seconds(option: str, text: str) -> float:
    """Return a length of time in seconds: a number with ms, s, m, h or d; without a unit they are seconds.

    Raises:
        SettingsError: it is none.
    """
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise SettingsError(option, text, "a length of time, such as 500ms, 10s, 5m, 2h or 1d")
    return float(found[1]) * _UNITS_S[found[2] or "s"]


def moment_ms(option: str, text: str, now_ms: int) -> int:
    """Return a moment in ms since 1970: a length of time ago, ISO 8601 (local time unless it says), `beginning` (0) or `now`.

    Raises:
        SettingsError: it is none of these.
    """
    if text == "beginning":
        return 0
    if text == "now":
        return now_ms
    if _SPAN.fullmatch(text.strip().removeprefix("-")):
        return now_ms - round(seconds(option, text.strip().removeprefix("-")) * 1e3)
    try:
        return round(datetime.fromisoformat(text).timestamp() * 1e3)
    except (ValueError, OverflowError):
        raise SettingsError(option, text, "how long ago (5m), a time such as 2026-11-21T08:00:00, or beginning") from None
