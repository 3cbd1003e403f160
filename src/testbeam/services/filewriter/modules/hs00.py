"""Writer module hs00: histograms over time (NXdata), one row a message. Source: docs/reference/contracts/filewriter.md, "Writer modules".

`shape` of the config gives each dimension its `size`, and its `edges`, `label` and `unit`, which are written once as the dataset
`dataset_name`.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import h5py
import numpy as np

from testbeam.errors import NexusError
from testbeam.model.arrays import Histogram
from testbeam.nexus.structure import unknown_words
from testbeam.nexus.values import STRING, dtype_of, to_array
from testbeam.services.filewriter.batches import ObjectRows, TimesNs
from testbeam.services.filewriter.columns import ColumnSpec
from testbeam.services.filewriter.modules.base import TIME, WriterModule
from testbeam.services.filewriter.modules.config import Config

_INFO_BYTES = 1024
_WORDS = ("size", "edges", "label", "unit", "dataset_name")


class Module(WriterModule[ObjectRows]):
    """Rows are `Histogram` objects of the config's shape; those of another, and parts of a larger one, are counted as misfits."""

    schema = b"hs00"
    nx_class = "NXdata"
    known = ("chunk_size", "shape", "data_type", "dtype", "type", "error_type", "edge_type", "cue_interval")
    time_name = "timestamps"
    row_names = ("histograms", "errors", "timestamps", "info")
    default_dtype: ClassVar[str] = "uint64"

    @classmethod
    def specs(cls, config: Config) -> tuple[ColumnSpec, ...]:
        """Return histograms, their errors, times and words, and cues."""
        chunk, shape = config.count("chunk_size", 64), _shape(config)
        counts = _dtype(config, config.text("data_type", "dtype", "type", default=cls.default_dtype))
        errors = _dtype(config, config.text("error_type", default="double"))
        return (
            ColumnSpec(name="histograms", dtype=counts, chunk=chunk, row=shape),
            ColumnSpec(name="errors", dtype=errors, chunk=chunk, row=shape),
            ColumnSpec(name="timestamps", dtype="u8", chunk=1024, attributes=TIME),
            ColumnSpec(name="info", dtype=f"S{_INFO_BYTES}", chunk=64),
            ColumnSpec(name="cue_index", dtype="i8", chunk=1024),
            ColumnSpec(name="cue_timestamp_zero", dtype="i8", chunk=1024, attributes=TIME),
        )

    @classmethod
    def scalar_names(cls, config: Config) -> tuple[str, ...]:
        """Return the names of the edges."""
        return tuple(str(dimension["dataset_name"]) for dimension in _dimensions(config) if "dataset_name" in dimension)

    def __init__(self, group: h5py.Group, config: Config) -> None:
        super().__init__(group, config)
        self._shape = _shape(config)
        self._dtypes = {name: np.dtype(self.columns[name].spec.dtype) for name in ("histograms", "errors")}
        for dimension in _dimensions(config):
            _make_edges(group, dimension, config)
        if "signal" not in group.attrs:
            group.attrs["signal"] = "histograms"

    def write(self, times_ns: TimesNs, rows: ObjectRows, partition: int = 0) -> None:
        """Take rows; those of another shape are counted as misfits."""
        fits = np.flatnonzero([self._fits(histogram) for histogram in rows.values])
        self.misfits += len(rows) - len(fits)
        super().write(times_ns[fits], rows.select(fits), partition)

    def _fits(self, histogram: Histogram) -> bool:
        return histogram.data.shape == self._shape and not any(histogram.offset)

    def _append(self, times_ns: TimesNs, rows: ObjectRows) -> None:
        first, interval = self.columns["timestamps"].rows, self.config.count("cue_interval", 1000)
        self.columns["timestamps"].append(times_ns.view(np.uint64))
        for histogram in rows.values:
            errors = np.full(self._shape, np.nan) if histogram.errors is None else histogram.errors
            self.columns["histograms"].append(self._stored(histogram.data, self._dtypes["histograms"])[np.newaxis])
            self.columns["errors"].append(self._stored(errors, self._dtypes["errors"])[np.newaxis])
            self.columns["info"].append(np.array([self._info(histogram.info)], f"S{_INFO_BYTES}"))
        at = np.arange(-first % interval, len(times_ns), interval)
        self.columns["cue_index"].append(at + first)
        self.columns["cue_timestamp_zero"].append(times_ns[at])

    def _info(self, text: str) -> bytes:
        raw = text.encode()
        if len(raw) > _INFO_BYTES and not any("info" in warning for warning in self.warnings):
            self.warnings.append(f"{self.config.values.get('source', '')}: info of {len(raw)} bytes is cut to {_INFO_BYTES}")
        return raw[:_INFO_BYTES]

    def _cut(self, stop_ns: np.uint64) -> int:
        removed = super()._cut(stop_ns)
        self._mend_cues(self.config.count("cue_interval", 1000))
        return removed

    def _arrange(self, order: np.ndarray[tuple[int], np.dtype[np.intp]]) -> None:
        super()._arrange(order)
        self._mend_cues(self.config.count("cue_interval", 1000))


def _dimensions(config: Config) -> list[Mapping[str, Any]]:
    found = config.objects("shape")
    for dimension in found:
        problem = next(unknown_words(dimension, _WORDS, f"{config.place}.shape"), "")
        name, size = dimension.get("dataset_name", "edges"), dimension.get("size")
        if problem or not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise NexusError(f"{config.place}.shape", problem or f"size is {size!r}; give the number of bins")
        if not isinstance(name, str) or not name or "/" in name:
            raise NexusError(f"{config.place}.shape", f"{name!r} can't be the name of a dataset")
    if not found:
        raise NexusError(config.place, "needs `shape`, a list of dimensions, each with its `size`")
    return found


def _shape(config: Config) -> tuple[int, ...]:
    return tuple(dimension["size"] for dimension in _dimensions(config))


def _dtype(config: Config, word: str) -> np.dtype[Any]:
    dtype = dtype_of(word, config.place)
    if dtype == STRING:
        raise NexusError(config.place, "histograms are of numbers: no type can be string")
    return dtype


def _make_edges(group: h5py.Group, dimension: Mapping[str, Any], config: Config) -> None:
    name = dimension.get("dataset_name")
    if name is None or "edges" not in dimension or name in group:
        return
    edges = to_array(dimension["edges"], _dtype(config, config.text("edge_type", default="double")), f"{config.place}.shape.{name}")
    if edges.shape != (dimension["size"] + 1,):
        raise NexusError(f"{config.place}.shape.{name}", f"{dimension['size']} bins have {dimension['size'] + 1} edges, not {edges.shape}")
    made = group.create_dataset(name, data=edges)
    for attribute, word in (("units", "unit"), ("long_name", "label")):
        made.attrs[attribute] = str(dimension.get(word, ""))
