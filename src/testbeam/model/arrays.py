"""Arrays with names, axes and units: a labelled array of several variables (da00), and an area detector's image (ad00)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers: TypeAlias = NDArray[np.generic]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One variable of a labelled array: a number (0-d), an array or a text, with one axis name a dimension or none at all.

    A `unit` of None is "no unit", which is not the same as "" (dimensionless).
    """

    name: str
    data: Numbers | str
    axes: tuple[str, ...] = ()
    unit: str | None = None
    label: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledArray:
    """One da00 message: the variable named `signal` is the data by convention, `errors` its standard deviations, others coordinates."""

    source_name: str
    timestamp_ns: int
    variables: tuple[Variable, ...]

    def variable(self, name: str) -> Variable | None:
        """Return the first variable of this name, None where there is none."""
        return next((variable for variable in self.variables if variable.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageAttribute:
    """A value that comes with an image: a number (0-d), an array or a text."""

    name: str
    description: str
    source: str
    data: Numbers | str


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaImage:
    """One ad00 message: an image of an area detector; the shape of `data` is as sent, slowest dimension first."""

    source_name: str
    unique_id: int
    timestamp_ns: int
    data: Numbers | str
    attributes: tuple[ImageAttribute, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HistogramAxis:
    """One dimension of a histogram: how many bins, and their edges where the message has them."""

    length: int
    edges: Numbers
    unit: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """One hs00 or hs01 message: counts in the shape as sent, and their errors if there are any.

    `offset` is where they lie in a larger histogram.
    """

    source_name: str
    timestamp_ns: int
    axes: tuple[HistogramAxis, ...]
    data: Numbers
    errors: Numbers | None = None
    last_metadata_timestamp_ns: int = 0
    info: str = ""
    offset: tuple[int, ...] = ()
