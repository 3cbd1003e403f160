"""Kinds of value that PVA structures hold, and how each is read.

Source: EPICS Normative Types 1.0; the type codes are p4p's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import Any

import numpy as np

from testbeam.model.arrays import ImageAttribute
from testbeam.model.updates import Form, Image
from testbeam.transport.pva.values import text_of

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
    has_units: bool
    read: Callable[[Any], Any]  # the value out of an update


def layout_of(update: Any) -> Layout:
    """Return how to read this p4p Value and those after it."""
    form, dtype, field = _value_of(update)
    return Layout(
        form=form,
        dtype=dtype,
        field=field,
        has_time=update.has("timeStamp.nanoseconds"),
        has_alarm=update.has("alarm.severity"),
        has_units=update.has("display.units"),
        read=_READERS.get(form) or (partial(text_of, field=field) if (form, dtype) == (Form.SCALAR, "U") else itemgetter(field)),
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
    if update.getID().startswith("epics:nt/NTTable"):
        return Form.TABLE, "O", "value"
    return Form.OTHER, "O", "value"


def dtype_of(value: Any) -> str:
    """Return numpy's code of the type of an image."""
    return "O" if not isinstance(value, Image) else f"{value.data.dtype.kind}{value.data.dtype.itemsize}"


def _image(update: Any) -> Image:
    """Return an NTNDArray. Its dimensions are the fastest one first, numpy's the slowest."""
    raw = update["value"]
    data = np.asarray(() if raw is None else raw)
    shape = tuple(int(one["size"]) for one in update["dimension"])[::-1]
    attributes = tuple(map(_attribute, update["attribute"])) if update.has("attribute") else ()
    mode = _colour_mode(attributes)
    fits = shape and int(np.prod(shape)) == data.size
    return Image(
        unique_id=int(update["uniqueId"]) if update.has("uniqueId") else 0,
        data=(data.astype("u1") if data.dtype == bool else data).reshape(shape if fits else data.shape),
        attributes=attributes,
        colour_mode=mode,
        codec=update["codec.name"] if update.has("codec.name") else "",
    )


def _colour_mode(attributes: tuple[ImageAttribute, ...]) -> str:
    for attribute in attributes:
        if attribute.name == "ColorMode" and not isinstance(attribute.data, str) and attribute.data.size == 1:
            mode = int(attribute.data.item())
            return _COLOUR_MODES[mode] if 0 <= mode < len(_COLOUR_MODES) else f"colour mode {mode}"
    return _COLOUR_MODES[0]


def _attribute(one: Any) -> ImageAttribute:
    value = one["value"]
    is_text = value is None or isinstance(value, str)
    return ImageAttribute(
        name=one["name"],
        description=one["descriptor"] if one.has("descriptor") else "",
        source=one["source"] if one.has("source") else "",
        data=(value or "") if is_text else np.asarray(value),
    )


def _table(update: Any) -> Mapping[str, Any]:
    """Return the columns of an NTTable by the names of their fields, which are those that programs go by."""
    return dict(update["value"].items())


# areaDetector's NDColorMode_t.
_COLOUR_MODES = ("Mono", "Bayer", "RGB1", "RGB2", "RGB3", "YUV444", "YUV422", "YUV421")
_READERS: Mapping[Form, Callable[[Any], Any]] = {Form.IMAGE: _image, Form.TABLE: _table}
