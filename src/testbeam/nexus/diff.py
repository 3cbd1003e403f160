"""Differences between two NeXus files: objects, types, shapes, attributes and values."""

from collections.abc import Collection, Iterator
from typing import Any

import h5py
import numpy as np

_BLOCK = 1_000_000  # values that are compared at once
_ROOT_MARKS = frozenset({"file_name", "file_time", "HDF5_Version", "creator"})  # of the writing, not of the data


def differences(one: h5py.File, other: h5py.File, *, ignore: Collection[str] = _ROOT_MARKS) -> Iterator[str]:
    """Yield in words what differs, by path; `ignore`: attributes of the root that are not compared."""
    first, second = _objects(one), _objects(other)
    for path in sorted(first.keys() | second.keys()):
        if path not in second:
            yield f"{path}: only in the first file"
        elif path not in first:
            yield f"{path}: only in the second file"
        else:
            yield from _of_object(path, first[path], second[path], ignore if path == "/" else ())


def _objects(file: h5py.File) -> dict[str, Any]:
    found: dict[str, Any] = {"/": file["/"]}
    pending: list[tuple[str, h5py.Group, tuple[int, ...]]] = [("", file["/"], (file["/"].id.__hash__(),))]
    while pending:
        path, group, above = pending.pop()
        for name in group:
            item = group.get(name)
            if item is None:
                continue
            found[f"{path}/{name}"] = item
            if isinstance(item, h5py.Group) and item.id.__hash__() not in above:  # a link may lead to a group above
                pending.append((f"{path}/{name}", item, (*above, item.id.__hash__())))
    return found


def _of_object(path: str, one: Any, other: Any, ignore: Collection[str]) -> Iterator[str]:
    if isinstance(one, h5py.Dataset) != isinstance(other, h5py.Dataset):
        yield f"{path}: a {_kind(one)} in the first file, a {_kind(other)} in the second"
        return
    yield from _of_attributes(path, one, other, ignore)
    if isinstance(one, h5py.Dataset):
        yield from _of_data(path, one, other)


def _kind(item: Any) -> str:
    return "dataset" if isinstance(item, h5py.Dataset) else "group"


def _of_attributes(path: str, one: Any, other: Any, ignore: Collection[str]) -> Iterator[str]:
    for name in sorted(set(one.attrs) | set(other.attrs)):
        if name in ignore:
            continue
        if name not in one.attrs or name not in other.attrs:
            yield f"{path}@{name}: only in the {'first' if name in one.attrs else 'second'} file"
        elif not np.array_equal(one.attrs[name], other.attrs[name]):
            yield f"{path}@{name}: {one.attrs[name]!r} and {other.attrs[name]!r}"


def _of_data(path: str, one: h5py.Dataset, other: h5py.Dataset) -> Iterator[str]:
    if one.dtype != other.dtype:
        yield f"{path}: of type {one.dtype} and {other.dtype}"
    elif one.shape != other.shape:
        yield f"{path}: of shape {one.shape} and {other.shape}"
    elif not one.shape:
        if not _same(np.asarray(one[()]), np.asarray(other[()])).all():
            yield f"{path}: {one[()]!r} and {other[()]!r}"
    else:
        yield from _first_difference(path, one, other)


def _first_difference(path: str, one: h5py.Dataset, other: h5py.Dataset) -> Iterator[str]:
    rows = max(1, _BLOCK // max(1, int(np.prod(one.shape[1:]))))
    for start in range(0, len(one), rows):
        left, right = one[start : start + rows], other[start : start + rows]
        same = _same(left, right)
        if not same.all():
            at = tuple(int(i) for i in np.argwhere(~same)[0])
            place = ", ".join(str(i) for i in (start + at[0], *at[1:]))
            yield f"{path}[{place}]: {left[at]!r} and {right[at]!r}"
            return


def _same(left: Any, right: Any) -> Any:
    same = left == right
    if left.dtype.kind == "f":
        same |= np.isnan(left) & np.isnan(right)
    return np.asarray(same)
