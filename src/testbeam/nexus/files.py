"""Contents of a NeXus file: groups, datasets and streams, read without knowing who wrote it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from testbeam.errors import NexusError


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A group (no shape, no dtype) or a dataset at `path`; attribute texts are `str`."""

    path: str
    attributes: Mapping[str, Any]
    shape: tuple[int, ...] | None = None
    dtype: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenStream:
    """A group that a writer module filled: the words its attributes hold."""

    path: str
    module: str
    topic: str
    source: str


@contextmanager
def opened(path: Path, *, growing: bool = False) -> Iterator[h5py.File]:
    """Open a file to read; `growing` follows one that is still written (SWMR).

    Raises:
        NexusError: it is not there, not HDF5, or still written and `growing` was not asked for.
    """
    if not path.is_file():
        raise NexusError(str(path), "is a folder, not a NeXus file" if path.is_dir() else "there is no such file")
    try:
        file = h5py.File(path, "r", swmr=growing)
    except OSError as error:
        raise NexusError(str(path), f"can't be read: {error}") from error
    with file:
        yield file


def walk(file: h5py.File) -> Iterator[Entry]:
    """Yield every group and dataset, parents first; an object with several names (hard links) comes up under each."""
    yield Entry(path="/", attributes=_attributes(file))
    yield from _walk(file["/"], (hash(file["/"].id),))


def streams(file: h5py.File) -> Iterator[WrittenStream]:
    """Yield every group that names its writer module, topic and source."""
    for entry in walk(file):
        words = [entry.attributes.get(key) for key in ("writer_module", "topic", "source")]
        if entry.shape is None and all(isinstance(word, str) for word in words):
            module, topic, source = map(str, words)
            yield WrittenStream(path=entry.path, module=module, topic=topic, source=source)


def _walk(group: h5py.Group, above: tuple[int, ...]) -> Iterator[Entry]:
    for name in group:
        item = group.get(name)
        if isinstance(item, h5py.Dataset):
            yield Entry(path=_join(group, name), attributes=_attributes(item), shape=item.shape, dtype=_word(item))
        elif isinstance(item, h5py.Group):
            yield Entry(path=_join(group, name), attributes=_attributes(item))
            if hash(item.id) not in above:  # a link may lead to a group above
                yield from _walk(item, (*above, hash(item.id)))


def _join(group: h5py.Group, name: str) -> str:
    return f"{group.name.rstrip('/')}/{name}"


def _word(dataset: h5py.Dataset) -> str:
    return "string" if h5py.check_string_dtype(dataset.dtype) else str(dataset.dtype)


def _attributes(item: h5py.HLObject) -> Mapping[str, Any]:
    return {name: _plain(value) for name, value in item.attrs.items()}


def _plain(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
