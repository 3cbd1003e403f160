"""The config of a stream module, checked as it is asked for."""

from collections.abc import Mapping
from typing import Any

from testbeam.errors import NexusError
from testbeam.nexus.structure import unknown_words
from testbeam.services.filewriter.settings import COMPRESSIONS

_MOST = 2**31 - 1  # beyond, HDF5 and numpy fail in ways of their own
COMMON = ("topic", "source", "compression")


class Config:
    """The config of a stream module, with its place in the JSON for errors; every method raises NexusError.

    compression: that of streams whose config names none.
    """

    def __init__(self, values: Mapping[str, Any], place: str, compression: str = "none") -> None:
        self.values = values
        self.place = f"{place}.config"
        self._compression = compression

    @property
    def compression(self) -> str:
        """Return how the stream's datasets are compressed: one of `COMPRESSIONS`."""
        value = self.text("compression", default=self._compression)
        if value not in COMPRESSIONS:
            raise NexusError(self.place, f"compression is {value!r}; give one of {', '.join(COMPRESSIONS)}")
        return value

    def warnings(self, known: tuple[str, ...]) -> list[str]:
        """Return a sentence for each word that the module does not know."""
        return list(unknown_words(self.values, (*COMMON, *known), self.place))

    def text(self, *names: str, default: str = "") -> str:
        """Return the first of these texts that is given."""
        value = self._first(names, default)
        if not isinstance(value, str):
            raise NexusError(self.place, f"{names[0]} is {value!r}; give a text")
        return value

    def texts(self, name: str, default: tuple[str, ...]) -> tuple[str, ...]:
        """Return a list of texts, or the default."""
        value = self._first((name,), list(default))
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise NexusError(self.place, f"{name} is {value!r}; give a list of texts")
        return tuple(value)

    def count(self, name: str, default: int) -> int:
        """Return a whole number from 1 to 2³¹ - 1, or the default."""
        value = self._first((name,), default)
        if value != default or isinstance(value, bool):
            _check_count(value, name, self.place)
        return int(value)

    def counts(self, name: str, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        """Return one or several whole numbers from 1 to 2³¹ - 1, or the default."""
        value = self._first((name,), list(default))
        values = value if isinstance(value, list) else [value]
        for item in values:
            _check_count(item, name, self.place)
        return tuple(values)

    def number(self, name: str) -> float | None:
        """Return a number, or None where there is none."""
        value = self._first((name,), None)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise NexusError(self.place, f"{name} is {value!r}; give a number")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        """Return true or false."""
        value = self._first((name,), default)
        if not isinstance(value, bool):
            raise NexusError(self.place, f"{name} is {value!r}; give true or false")
        return value

    def objects(self, name: str) -> list[Mapping[str, Any]]:
        """Return a list of objects; none where it is not given."""
        value = self._first((name,), [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise NexusError(self.place, f"{name} is not a list of objects")
        return value

    def _first(self, names: tuple[str, ...], default: Any) -> Any:
        return next((self.values[name] for name in names if name in self.values), default)


def _check_count(value: Any, name: str, place: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST:
        raise NexusError(place, f"{name} is {value!r}; give a whole number from 1 to {_MOST}")
