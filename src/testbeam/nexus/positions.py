"""Positions of a detector's pixels in a NeXus file: their offsets, moved by the chain of transformations that the detector depends on.

Of a transformation that is logged the last value counts.
"""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from testbeam.errors import NexusError
from testbeam.nexus.files import opened

_M_PER = {"m": 1.0, "cm": 1e-2, "mm": 1e-3, "um": 1e-6}
_RAD_PER = {"rad": 1.0, "deg": np.pi / 180, "degrees": np.pi / 180}
_LONGEST_CHAIN = 100

Floats = NDArray[np.float64]


def pixel_positions(path: Path, name: str) -> tuple[NDArray[np.int64], Floats]:
    """Return the numbers and the positions, m, of the pixels of the NXdetector of this name: `(n,)` and `(n, 3)`.

    Raises:
        NexusError: the file can't be read, has no such detector, or does not say where it is.
    """
    with opened(path) as file:
        group = _detector(file, path, name)
        try:
            numbers = np.asarray(group["detector_number"][()], np.int64)
            offsets = np.stack([_offsets(group, axis, numbers.shape).ravel() for axis in "xyz"], axis=1)
            moved = _transformation(group)
        except (KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
            raise NexusError(str(path), f"{group.name} does not say where its pixels are: {error}") from error
    return numbers.ravel(), offsets @ moved[:3, :3].T + moved[:3, 3]


def _detector(file: h5py.File, path: Path, name: str) -> h5py.Group:
    found: list[h5py.Group] = []

    def look(_path: str, item: Any) -> None:
        if isinstance(item, h5py.Group) and _text(item.attrs.get("NX_class")) == "NXdetector":
            found.append(item)

    file.visititems(look)
    for group in found:
        if group.name.rpartition("/")[2] == name:
            return group
    known = ", ".join(group.name.rpartition("/")[2] for group in found) or "none"
    raise NexusError(str(path), f"there is no NXdetector {name}; there are: {known}")


def _offsets(group: h5py.Group, axis: str, shape: tuple[int, ...]) -> Floats:
    name = f"{axis}_pixel_offset"
    if name not in group:
        return np.zeros(shape)
    offsets = np.asarray(group[name][()], np.float64) * _scale(group[name].attrs, _M_PER)
    axes = [_text(one) for one in np.atleast_1d(group.attrs.get("axes", []))]
    if offsets.ndim == 1 and len(shape) > 1 and name in axes:
        offsets = offsets.reshape([-1 if one == name else 1 for one in axes])
    return np.broadcast_to(offsets, shape)


def _transformation(group: h5py.Group) -> Floats:
    moved, parent, next_ = np.eye(4), group, _text(group["depends_on"][()]) if "depends_on" in group else "."
    for _ in range(_LONGEST_CHAIN):
        if next_ == ".":
            return moved
        step = parent[next_]
        moved = _matrix(step) @ moved
        parent, next_ = step.parent, _text(step.attrs.get("depends_on", "."))
    raise ValueError(f"its transformations depend on each other, or are more than {_LONGEST_CHAIN}")


def _matrix(step: h5py.Group | h5py.Dataset) -> Floats:
    values = step["value"] if isinstance(step, h5py.Group) else step
    if not values.size:
        raise ValueError(f"{step.name} has no value")
    value = float(np.ravel(values[()])[-1])
    units = values.attrs if "units" in values.attrs else step.attrs
    vector = np.asarray(step.attrs["vector"], np.float64)
    kind = _text(step.attrs["transformation_type"])
    matrix = np.eye(4)
    if kind == "translation":
        matrix[:3, 3] = value * _scale(units, _M_PER) * vector
    elif kind == "rotation":
        matrix[:3, :3] = _rotation(vector, value * _scale(units, _RAD_PER))
    else:
        raise ValueError(f"{step.name} is a {kind!r}, neither translation nor rotation")
    if "offset" in step.attrs:
        matrix[:3, 3] += np.asarray(step.attrs["offset"], np.float64) * _M_PER[_text(step.attrs.get("offset_units", "m"))]
    return matrix


def _rotation(vector: Floats, angle_rad: float) -> Floats:
    """Return the rotation about a vector, after Rodrigues."""
    x, y, z = vector / np.linalg.norm(vector)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    rotation: Floats = np.eye(3) + np.sin(angle_rad) * cross + (1 - np.cos(angle_rad)) * cross @ cross
    return rotation


def _scale(attributes: Any, known: dict[str, float]) -> float:
    units = _text(attributes["units"])
    if units not in known:
        raise ValueError(f"units {units!r} are none of {', '.join(known)}")
    return known[units]


def _text(value: Any) -> str:
    value = value.item() if isinstance(value, np.ndarray) and value.size == 1 else value
    return value.decode() if isinstance(value, bytes) else str(value)
