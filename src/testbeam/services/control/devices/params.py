"""Parameters of devices: what a setup may say, what a user may change, and of which type it is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Convert = Callable[[Any], Any]  # raises ValueError or TypeError where a value does not fit


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """One parameter. `settable`: a user may change it while the device lives, and the cache keeps it."""

    description: str
    type: Convert | None = None
    default: Any = None
    mandatory: bool = False
    settable: bool = False
    unit: str = ""
    category: str | None = None
    internal: bool = False

    def convert(self, value: Any) -> Any:
        """Return the value as the parameter keeps it."""
        return value if self.type is None else self.type(value)

    def serialize(self) -> dict[str, Any]:
        """Return what clients are told of it: they ask by `eval`, for each parameter of a device."""
        return {
            "type": getattr(self.type, "__name__", "any"),
            "description": self.description,
            "default": self.default,
            "mandatory": self.mandatory,
            "settable": self.settable,
            "volatile": False,
            "unit": self.unit,
            "fmtstr": "%r",
            "category": self.category,
            "preinit": False,
            "prefercache": None,
            "userparam": not self.internal,
            "internal": self.internal,
            "chatty": False,
            "no_sim_restore": False,
        }


def none_or(convert: Convert) -> Convert:
    """Return the type of a value that may be None."""

    def converted(value: Any) -> Any:
        return None if value is None else convert(value)

    return converted


def one_of(*choices: Any) -> Convert:
    """Return the type of a value that is one of these."""

    def converted(value: Any) -> Any:
        if value not in choices:
            raise ValueError(f"{value!r} is none of {', '.join(map(str, choices))}")
        return value

    return converted


def limits(value: Any) -> tuple[float, float]:
    """Return (low, high) as numbers."""
    low, high = (float(one) for one in value)
    if low > high:
        raise ValueError(f"the lower limit {low:g} is above the upper one {high:g}")
    return low, high


def words(value: Any) -> list[str]:
    """Return a list of texts; one text is a list of one."""
    return [value] if isinstance(value, str) else [str(one) for one in value]


def number(value: Any) -> float:
    """Return a number; a truth value or a text is none."""
    if isinstance(value, bool | str):
        raise TypeError(f"{value!r} is no number")
    return float(value)


def texts(value: Any) -> str:
    """Return a text; nothing else is made one."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is no text")
    return value


def table(value: Any) -> dict[Any, Any]:
    """Return a dict."""
    return dict(value)


def sequence(value: Any) -> list[Any]:
    """Return a list."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise TypeError(f"{value!r:.40} is no list")
    return list(value)
