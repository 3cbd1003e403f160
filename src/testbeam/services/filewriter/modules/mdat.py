"""Writer module mdat: start and end of the job, as texts. Source: docs/reference/contracts/filewriter.md, "Writer modules".

It writes no messages: it is made with the file, and completed when the job ends.
"""

from datetime import UTC, datetime

import h5py
import numpy as np
from h5py import h5d, h5i

from testbeam.errors import NexusError
from testbeam.model.time import MS_PER_S
from testbeam.services.filewriter.modules.config import Config

ITEMS = ("start_time", "end_time")
_DTYPE = h5py.string_dtype("utf-8", 24)  # of a fixed length: a text of any length can't be changed while readers follow the file


def items(config: Config) -> tuple[str, ...]:
    """Return what is asked for.

    Raises:
        NexusError: it is none of `ITEMS`.
    """
    chosen = config.texts("items", ITEMS)
    unknown = [item for item in chosen if item not in ITEMS]
    if unknown:
        raise NexusError(config.place, f"items has {unknown[0]!r}; mdat knows {', '.join(ITEMS)}")
    return chosen


class Metadata:
    """The texts of one group; one that is there already, as from a template, is left alone."""

    OPTIONS = ("items",)

    def __init__(self, group: h5py.Group, config: Config, start_ms: int) -> None:
        self._file, self._path = h5i.get_file_id(group.id), group.name.rstrip("/")
        self._made = [name for name in items(config) if name not in group]
        for name in self._made:
            text = iso(start_ms) if name == "start_time" else ""
            group.create_dataset(name, shape=(), dtype=_DTYPE).write_direct(np.array(text.encode(), _DTYPE))

    def finish(self, end_ms: int) -> None:
        """Write the end."""
        if "end_time" in self._made:
            dataset = h5d.open(self._file, f"{self._path}/end_time".encode())
            h5py.Dataset(dataset).write_direct(np.array(iso(end_ms).encode(), _DTYPE))


def iso(ms: int) -> str:
    """Return a time, ms since 1970, as ISO 8601 in UTC with milliseconds."""
    moment = datetime.fromtimestamp(ms // MS_PER_S, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % MS_PER_S:03d}Z"
