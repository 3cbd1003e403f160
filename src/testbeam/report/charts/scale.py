"""Scale of an axis: round tick values, and how they are written."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear map from [low, high] in the data to [start, end] in pixels; an empty range is widened so that it can be drawn."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the pixel of a value."""
        span = (self.high - self.low) or 1.0
        return self.start + (value - self.low) / span * (self.end - self.start)

    def ticks(self, about: int = 5) -> list[float]:
        """Return about so many round values (1, 2 or 5 times a power of ten) inside the range."""
        span = (self.high - self.low) or 1.0
        step = _round_step(span / about)
        first = math.ceil(self.low / step - 1e-9)
        return [round(k * step, 12) for k in range(first, math.floor(self.high / step + 1e-9) + 1)]


def padded(values: list[float], start: float, end: float) -> Scale:
    """Return a scale that holds all values with a twentieth of air on both sides."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    air = (high - low) * 0.05 or abs(high) * 0.05 or 1.0
    return Scale(low - air, high + air, start, end)


def label(value: float) -> str:
    """Write a tick value shortly: 0.5, 12, 3k, 1.2M."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= limit:
            return f"{value / (limit if unit != 'k' else 1e3):g}{unit}"
    return f"{value:g}"


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
