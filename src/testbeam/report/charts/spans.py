"""Chart of spans: one row a service, one bar a state."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from testbeam.report.charts.scale import Scale, label

WIDTH, _ROW, _LEFT, _RIGHT, _BOTTOM = 640, 26, 130, 60, 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From `start_s` to `end_s` (seconds of the run's clock) the row was in `state`, which is also its CSS class."""

    row: str
    state: str
    start_s: float
    end_s: float
    note: str = ""


def spans(bars: Sequence[Span], *, marks: Sequence[tuple[float, str]] = ()) -> str:
    """Return the SVG; rows stand in the order of their first bar; `marks` are upright lines with a tooltip."""
    rows = list(dict.fromkeys(bar.row for bar in bars))
    height = _ROW * len(rows) + _BOTTOM
    across = Scale(0.0, max((bar.end_s for bar in bars), default=1.0), _LEFT, WIDTH - _RIGHT)
    parts = [
        *_axis(across, height),
        *(_row(name, k) for k, name in enumerate(rows)),
        *(_bar(bar, rows.index(bar.row), across) for bar in bars),
    ]
    parts += [_mark(at_s, what, across, height) for at_s, what in marks]
    return f'<svg class="chart" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="timeline">{"".join(parts)}</svg>'


def _axis(across: Scale, height: int) -> list[str]:
    return [
        f'<line class="grid" x1="{across(v):.1f}" x2="{across(v):.1f}" y1="0" y2="{height - _BOTTOM}"/>'
        f'<text class="tick" x="{across(v):.1f}" y="{height - 6}" text-anchor="middle">{label(v)} s</text>'
        for v in across.ticks(6)
    ]


def _row(name: str, index: int) -> str:
    return f'<text class="row" x="{_LEFT - 10}" y="{index * _ROW + 17}" text-anchor="end">{escape(name)}</text>'


def _bar(bar: Span, row: int, across: Scale) -> str:
    x, width = across(bar.start_s), max(across(bar.end_s) - across(bar.start_s), 1.5)
    tip = f"{bar.row} {bar.state}: {bar.start_s:.2f} s to {bar.end_s:.2f} s {bar.note}".rstrip()
    text = f'<text class="tick" x="{x + width + 5:.1f}" y="{row * _ROW + 17}">{escape(bar.note)}</text>' if bar.note else ""
    return (
        f'<rect class="bar {escape(bar.state.lower())}" x="{x:.1f}" y="{row * _ROW + 5}" width="{width:.1f}" height="{_ROW - 9}" rx="3">'
        f"<title>{escape(tip)}</title></rect>{text}"
    )


def _mark(at_s: float, what: str, across: Scale, height: int) -> str:
    x = across(at_s)
    return f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height - _BOTTOM}"><title>{escape(what)}</title></line>'
