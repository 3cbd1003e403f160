"""What the config of a stream module says, checked as it is asked for."""

from collections.abc import Mapping
from typing import Any

from testbeam.errors import NexusError

_MOST = 2**31 - 1  # beyond, HDF5 and numpy fail in ways of their own


class Config:
    """The config of a stream module, with its place in the JSON for errors; every method raises NexusError."""

    def __init__(self, values: Mapping[str, Any], place: str) -> None:
        self._values = values
        self.place = f"{place}.config"

    def text(self, *names: str, default: str = "") -> str:
        """Return the first of these texts that is given."""
        value = self._first(names, default)
        if not isinstance(value, str):
            raise NexusError(self.place, f"{names[0]} is {value!r}; give a text")
        return value

    def count(self, name: str, default: int) -> int:
        """Return a whole number from 1 to 2³¹ - 1, or the default."""
        value = self._first((name,), default)
        if isinstance(value, bool) or not isinstance(value, int) or (not 1 <= value <= _MOST and value != default):
            raise NexusError(self.place, f"{name} is {value!r}; give a whole number from 1 to {_MOST}")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        """Return true or false."""
        value = self._first((name,), default)
        if not isinstance(value, bool):
            raise NexusError(self.place, f"{name} is {value!r}; give true or false")
        return value

    def _first(self, names: tuple[str, ...], default: Any) -> Any:
        return next((self._values[name] for name in names if name in self._values), default)
