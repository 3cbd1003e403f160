"""A detector image as a PNG inside the page: counts to colours, no plotting library."""

import base64
import struct
import zlib
from html import escape

import numpy as np
from numpy.typing import NDArray

from testbeam.report.charts.scale import Scale, label

_LEFT, _TOP, _SIDE = 52, 8, 400

# dark blue → green → yellow, lightness rising evenly, so that it also reads in grey
_STOPS = np.array(
    [(22, 14, 59), (48, 49, 122), (38, 95, 142), (31, 141, 139), (72, 181, 112), (163, 213, 62), (253, 231, 76)], dtype=np.float64
)


def image(counts: NDArray[np.generic], *, alt: str, x_label: str = "column", y_label: str = "row", unit: str = "counts") -> str:
    """Return the SVG of a 2-D array (row 0 at the top) with axes and a scale; the colour is the square root of the count.

    The square root lets weak rings show.
    """
    values = np.sqrt(np.maximum(counts.astype(np.float64), 0))
    most = float(counts.max()) if counts.size else 0.0
    parts = [
        _picture(colours(values), _LEFT, _TOP, _SIDE, _SIDE),
        *_axes(counts.shape[1], counts.shape[0], x_label, y_label),
        _picture(colours(np.linspace(1, 0, 128)[:, None]), _LEFT + _SIDE + 18, _TOP, 14, _SIDE),
        *_scale(most, unit),
    ]
    box = f'class="picture" viewBox="0 0 {_LEFT + _SIDE + 90} {_TOP + _SIDE + 40}" role="img" aria-label="{escape(alt)}"'
    return f"<svg {box}>{''.join(parts)}</svg>"


def _picture(rgb: NDArray[np.uint8], x: int, y: int, width: int, height: int) -> str:
    data = base64.b64encode(png(rgb)).decode()
    return f'<image x="{x}" y="{y}" width="{width}" height="{height}" preserveAspectRatio="none" href="data:image/png;base64,{data}"/>'


def _axes(columns: int, rows: int, x_label: str, y_label: str) -> list[str]:
    across, down = Scale(0, columns, _LEFT, _LEFT + _SIDE), Scale(0, rows, _TOP, _TOP + _SIDE)
    bottom = _TOP + _SIDE
    ticks = [f'<text class="tick" x="{across(v):.1f}" y="{bottom + 15}" text-anchor="middle">{label(v)}</text>' for v in across.ticks()]
    ticks += [f'<text class="tick" x="{_LEFT - 6}" y="{down(v) + 4:.1f}" text-anchor="end">{label(v)}</text>' for v in down.ticks()]
    middle = _LEFT + _SIDE / 2, _TOP + _SIDE / 2
    return [
        *ticks,
        f'<text class="axis" x="{middle[0]}" y="{bottom + 34}" text-anchor="middle">{escape(x_label)}</text>',
        f'<text class="axis" transform="translate(12 {middle[1]}) rotate(-90)" text-anchor="middle">{escape(y_label)}</text>',
    ]


def _scale(most: float, unit: str) -> list[str]:
    """Return the ticks of the colour bar: round counts, at their square roots."""
    up = Scale(0.0, most**0.5, _TOP + _SIDE, _TOP)
    values = [v for v in Scale(0.0, most, 0, 1).ticks(4) if v >= 0]
    x = _LEFT + _SIDE + 37
    ticks = [f'<text class="tick" x="{x}" y="{up(v**0.5) + 4:.1f}">{label(v)}</text>' for v in values]
    return [*ticks, f'<text class="axis" x="{x - 20}" y="{_TOP + _SIDE + 34}" text-anchor="middle">{escape(unit)}</text>']


def colours(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Map values (h, w), lowest to highest, to RGB (h, w, 3)."""
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    place = (values - low) / ((high - low) or 1.0) * (len(_STOPS) - 1)
    channels = [np.interp(place, np.arange(len(_STOPS)), _STOPS[:, k]) for k in range(3)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


def png(rgb: NDArray[np.uint8]) -> bytes:
    """Encode RGB (h, w, 3) as PNG (ISO/IEC 15948, colour type 2, filter 0)."""
    height, width = rgb.shape[:2]
    rows = np.zeros((height, 1 + width * 3), np.uint8)
    rows[:, 1:] = rgb.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows.tobytes(), 6)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
