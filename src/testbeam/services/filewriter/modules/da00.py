"""Writer module da00: labelled arrays over time (NXdata). Source: docs/reference/contracts/filewriter.md, "Writer modules".

Datasets are made for the `variables` of the config, one row a message; `constants` are written once. A variable that a message lacks, or
has in another shape, is NaN there, or the largest number of its type, so that all stay aligned.
"""

from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from testbeam.errors import NexusError
from testbeam.model.arrays import LabelledArray
from testbeam.nexus.structure import unknown_words
from testbeam.nexus.values import STRING, dtype_of, to_array
from testbeam.services.filewriter.batches import ObjectRows, TimesNs
from testbeam.services.filewriter.columns import ColumnSpec
from testbeam.services.filewriter.modules.base import TIME, WriterModule
from testbeam.services.filewriter.modules.config import Config

_WORDS = ("name", "unit", "label", "source", "data_type", "dtype", "type", "axes", "shape", "data")


class Module(WriterModule[ObjectRows]):
    """Rows are `LabelledArray` objects."""

    schema = b"da00"
    nx_class = "NXdata"
    known = ("chunk_size", "cue_interval", "variables", "constants", "attributes", "signal", "title", "dynamic", "datasets")
    time_name = "time"
    row_names: tuple[str, ...] = ("time",)

    @classmethod
    def specs(cls, config: Config) -> tuple[ColumnSpec, ...]:
        """Return a dataset for each variable, time and cues."""
        chunk = config.count("chunk_size", 64)
        return (
            *(_spec(variable, chunk, config.place) for variable in _named(config, "variables")),
            ColumnSpec(name="time", dtype="u8", chunk=1024, attributes=TIME),
            ColumnSpec(name="cue_index", dtype="i8", chunk=1024),
            ColumnSpec(name="cue_timestamp_zero", dtype="i8", chunk=1024, attributes=TIME),
        )

    @classmethod
    def scalar_names(cls, config: Config) -> tuple[str, ...]:
        """Return the names of the constants."""
        return tuple(str(constant["name"]) for constant in _named(config, "constants"))

    def __init__(self, group: h5py.Group, config: Config) -> None:
        super().__init__(group, config)
        self._names = [str(variable["name"]) for variable in _named(config, "variables")]
        for constant in _named(config, "constants"):
            _make_constant(group, constant, config.place)
        signal = config.text("signal", default=self._names[0] if self._names else "")
        if signal and "signal" not in group.attrs:
            group.attrs["signal"] = signal
            group.attrs["axes"] = ["time", *_axes(next((v for v in _named(config, "variables") if v["name"] == signal), {}))]
        self.row_names = ("time", *self._names)

    def _append(self, times_ns: TimesNs, rows: ObjectRows) -> None:
        first, interval = self.columns["time"].rows, self.config.count("cue_interval", 1000)
        self.columns["time"].append(times_ns.view(np.uint64))
        for message in rows.values:
            for name in self._names:
                self.columns[name].append(self._row(message, name)[np.newaxis])
        at = np.arange(-first % interval, len(times_ns), interval)
        self.columns["cue_index"].append(at + first)
        self.columns["cue_timestamp_zero"].append(times_ns[at])

    def _row(self, message: LabelledArray, name: str) -> NDArray[Any]:
        spec, variable = self.columns[name].spec, message.variable(name)
        if variable is not None and not isinstance(variable.data, str) and variable.data.shape == spec.row:
            return np.asarray(variable.data)
        dtype = np.dtype(spec.dtype)
        return np.full(spec.row, np.nan if dtype.kind == "f" else np.iinfo(dtype).max, dtype)

    def _cut(self, stop_ns: np.uint64) -> int:
        removed = super()._cut(stop_ns)
        still = self.columns["cue_index"].dataset[:] < self.columns["time"].rows
        for name in ("cue_index", "cue_timestamp_zero"):
            self.columns[name].keep(0, still)
        return removed


def _named(config: Config, word: str) -> list[Mapping[str, Any]]:
    found = config.objects(word)
    for item in found:
        if not isinstance(item.get("name"), str) or not item["name"] or "/" in item["name"]:
            raise NexusError(config.place, f"one of the {word} has no name that can be one in a file")
    return found


def _spec(variable: Mapping[str, Any], chunk: int, place: str) -> ColumnSpec:
    problem = next(unknown_words(variable, _WORDS, f"{place}.variables"), "")
    shape = variable.get("shape", [])
    if problem or not isinstance(shape, list) or not all(isinstance(n, int) and n > 0 for n in shape):
        raise NexusError(place, problem or f"shape of {variable['name']} is {shape!r}; give a list of numbers")
    dtype = dtype_of(variable.get("data_type", variable.get("dtype", variable.get("type", "double"))), place)
    if dtype == STRING:
        raise NexusError(place, f"variable {variable['name']} can't be of texts")
    return ColumnSpec(name=variable["name"], dtype=dtype, chunk=chunk, row=tuple(shape), attributes=_attributes(variable))


def _attributes(variable: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    words = (("units", "unit"), ("long_name", "label"), ("source", "source"))
    found = [(name, str(variable[word])) for name, word in words if word in variable]
    return (*found, ("axes", ":".join(_axes(variable)))) if "axes" in variable else tuple(found)


def _axes(variable: Mapping[str, Any]) -> list[str]:
    axes = variable.get("axes", [])
    return [str(axis) for axis in axes] if isinstance(axes, list) else []


def _make_constant(group: h5py.Group, constant: Mapping[str, Any], place: str) -> None:
    word = constant.get("data_type", constant.get("dtype", constant.get("type")))
    data = constant.get("data", [])
    if isinstance(data, dict):  # the ends of an axis and its length
        data = np.linspace(float(data["first"]), float(data["last"]), int(data["size"])).tolist()
    array = to_array(data, None if word is None else dtype_of(word, place), f"{place}.constants.{constant['name']}")
    if constant["name"] not in group:
        made = group.create_dataset(constant["name"], data=array)
        for name, text in _attributes(constant):
            made.attrs[name] = text
