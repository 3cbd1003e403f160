"""Curves over a common axis: time-of-flight spectra and PV traces."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from testbeam.report.charts.scale import Scale, label, padded

WIDTH, HEIGHT = 640, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 12, 12, 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One curve; `steps` holds each value until the next point, as a PV does. x and y have the same length."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    steps: bool = False


def lines(curves: Sequence[Curve], *, x_label: str, y_label: str, from_zero: bool = False) -> str:
    """Return the SVG of the curves; each carries its name and range as a tooltip."""
    xs = [float(v) for c in curves for v in (min(c.x, default=0), max(c.x, default=1))]
    ys = [float(v) for c in curves for v in (min(c.y, default=0), max(c.y, default=1))]
    across = Scale(min(xs, default=0), max(xs, default=1), _LEFT, WIDTH - _RIGHT)
    up = padded(([0.0] if from_zero else []) + ys, HEIGHT - _BOTTOM, _TOP)
    if from_zero:
        up = Scale(0.0, up.high, up.start, up.end)
    parts = [
        *_grid(across, up),
        *(_curve(c, k, across, up, under=k == 0 and len(curves) > 1) for k, c in enumerate(curves)),
        _names(x_label, y_label),
    ]
    return f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(y_label)}">{"".join(parts)}</svg>'


def _grid(across: Scale, up: Scale) -> list[str]:
    rows = [
        f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{up(v):.1f}" y2="{up(v):.1f}"/>'
        f'<text class="tick" x="{_LEFT - 6}" y="{up(v) + 4:.1f}" text-anchor="end">{label(v)}</text>'
        for v in up.ticks()
    ]
    columns = [
        f'<text class="tick" x="{across(v):.1f}" y="{HEIGHT - _BOTTOM + 16}" text-anchor="middle">{label(v)}</text>'
        for v in across.ticks(7)
    ]
    return rows + columns


def _curve(curve: Curve, index: int, across: Scale, up: Scale, *, under: bool) -> str:
    """Return one curve; `under`: drawn broad and pale, so that one that lies on it does not hide it."""
    points = [(across(float(x)), up(float(y))) for x, y in zip(curve.x, curve.y, strict=True)]
    if not points:
        return ""
    step = "H{0:.1f}V{1:.1f}" if curve.steps else "L{0:.1f} {1:.1f}"
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}" + "".join(step.format(x, y) for x, y in points[1:])
    tip = f"{curve.name}: {len(points)} points, {min(curve.y):g} … {max(curve.y):g}"
    return f'<path class="curve s{index % 6}{" under" if under else ""}" d="{path}"><title>{escape(tip)}</title></path>'


def _names(x_label: str, y_label: str) -> str:
    middle = (HEIGHT - _BOTTOM + _TOP) / 2
    return (
        f'<text class="axis" x="{(WIDTH + _LEFT) / 2}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x_label)}</text>'
        f'<text class="axis" transform="translate(12 {middle}) rotate(-90)" text-anchor="middle">{escape(y_label)}</text>'
    )
