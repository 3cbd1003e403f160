"""Readings from PVA structures, and values put into them.

Source: EPICS Normative Types 1.0 (NTScalar, NTScalarArray, NTEnum); the type codes are p4p's.
"""

from collections.abc import Sequence
from typing import Any

from testbeam.model.time import NS_PER_S
from testbeam.wire.pv_reading import PvValue, Reading, Scalar

_WHOLE = {
    "b": range(-(2**7), 2**7),
    "B": range(2**8),
    "h": range(-(2**15), 2**15),
    "H": range(2**16),
    "i": range(-(2**31), 2**31),
    "I": range(2**32),
    "l": range(-(2**63), 2**63),
    "L": range(2**64),
}


def reading(update: Any) -> Reading:
    """Return what a p4p Value holds; fields that it does not have keep their defaults."""
    severity = int(update.get("alarm.severity", 0))
    return Reading(
        value=_value(update),
        severity=severity,
        status=text_of(update, "alarm.message") or ("NO_ALARM" if severity == 0 else "UNKNOWN"),
        timestamp_ns=update.get("timeStamp.secondsPastEpoch", 0) * NS_PER_S + update.get("timeStamp.nanoseconds", 0),
        units=text_of(update, "display.units"),
        choices=_choices(update),
        is_characters=_code(update) in ("ab", "aB"),
    )


def text_of(update: Any, field: str) -> str:
    """Return a text, "" where there is no such field, with a mark for each byte that is no UTF-8: old databases have Latin-1."""
    try:
        return update.get(field, "") or ""
    except UnicodeDecodeError as error:
        return error.object.decode(errors="replace")


def assign(target: Any, value: PvValue | Sequence[Scalar]) -> None:
    """Set the value of a p4p Value.

    Raises:
        ValueError: it does not fit; says what would.
        TypeError: an array was given for a scalar or the other way round.
    """
    if target.has("value.index"):
        target["value.index"] = _index(value, target["value.choices"])
        return
    code = _code(target)
    if isinstance(value, str) and code in ("ab", "aB"):
        value = [byte - 256 if code == "ab" and byte > 127 else byte for byte in (*value.encode(), 0)]
    allowed = _WHOLE.get(code)
    if allowed is not None and isinstance(value, int) and value not in allowed:
        raise ValueError(f"it holds whole numbers from {allowed.start} to {allowed.stop - 1}, {value} was given")
    target["value"] = value


def _value(update: Any) -> PvValue:
    if update.has("value.index"):
        return int(update["value.index"])
    if _code(update) == "s":
        return text_of(update, "value")
    value = update["value"]
    return value.tolist() if hasattr(value, "tolist") else value  # type: ignore[no-any-return]  # numpy, list, or a plain scalar


def _choices(update: Any) -> tuple[str, ...]:
    """Return the choices of an enum; none where one is no UTF-8, as p4p gives all or nothing."""
    try:
        return tuple(update.get("value.choices", ()))
    except UnicodeDecodeError:
        return ()


def _index(value: PvValue | Sequence[Scalar], choices: Sequence[str]) -> int:
    if isinstance(value, str):
        if value not in choices:
            raise ValueError(f"{value!r} is none of its choices, {', '.join(choices)}")
        return list(choices).index(value)
    if isinstance(value, Sequence):
        raise TypeError(f"it takes one of {', '.join(choices)}, {value!r:.60} was given")
    return int(value)


def _code(update: Any) -> str:
    code = update.type()["value"]
    return code if isinstance(code, str) else ""
