"""What kind of value does a PVA structure hold, and at which field?

Source: EPICS Normative Types 1.0; the type codes are p4p's.
"""

from dataclasses import dataclass
from typing import Any

from testbeam.model.updates import Form

# p4p's code of a field → numpy's code of the type.
_DTYPES = {
    "?": "?",
    "b": "i1",
    "B": "u1",
    "h": "i2",
    "H": "u2",
    "i": "i4",
    "I": "u4",
    "l": "i8",
    "L": "u8",
    "f": "f4",
    "d": "f8",
    "s": "U",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How one PV's structure is read; the type of a PVA channel is fixed for as long as it is connected."""

    form: Form
    dtype: str  # "" where each update bears its own, as an NTNDArray's
    field: str
    has_time: bool
    has_alarm: bool


def layout_of(update: Any) -> Layout:
    """Return how to read this p4p Value and those after it."""
    form, dtype, field = _value_of(update)
    return Layout(
        form=form,
        dtype=dtype,
        field=field,
        has_time=update.has("timeStamp.nanoseconds"),
        has_alarm=update.has("alarm.severity"),
    )


def _value_of(update: Any) -> tuple[Form, str, str]:
    code = update.type()["value"] if update.has("value") else None
    if isinstance(code, str) and code in _DTYPES:
        return Form.SCALAR, _DTYPES[code], "value"
    if isinstance(code, str) and code[:1] == "a" and code[1:] in _DTYPES:
        return Form.ARRAY, _DTYPES[code[1:]], "value"
    if update.has("value.index"):
        return Form.ENUM, "i4", "value.index"
    if update.getID().startswith("epics:nt/NTNDArray"):
        return Form.IMAGE, "", "value"
    return Form.OTHER, "O", "value"
