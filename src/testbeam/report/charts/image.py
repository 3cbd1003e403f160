"""A detector image as a PNG inside the page: counts to colours, no plotting library."""

import base64
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

# dark blue → green → yellow, lightness rising evenly, so that it also reads in grey
_STOPS = np.array(
    [(22, 14, 59), (48, 49, 122), (38, 95, 142), (31, 141, 139), (72, 181, 112), (163, 213, 62), (253, 231, 76)], dtype=np.float64
)


def image(counts: NDArray[np.generic], *, alt: str) -> str:
    """Return an <img> of a 2-D array (row 0 at the top); the colour is the square root of the count, so that weak rings show."""
    data = base64.b64encode(png(colours(np.sqrt(counts.astype(np.float64))))).decode()
    return f'<img class="image" alt="{alt}" src="data:image/png;base64,{data}">'


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
