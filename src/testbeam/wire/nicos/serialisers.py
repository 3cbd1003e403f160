"""Arguments, replies and events of the daemon protocol as bytes: JSON, or pickle for clients that know nothing else.

Neither ever makes an object of what it reads: the unpickler has no globals, and the pickle that genuine NICOS hides in its JSON
(`{"__pickle__": …}`) is refused. Writing is another matter: an exception is sent as the client expects it, a pickle of a built-in class.
Source: docs/reference/contracts/control.md, "Daemon protocol".
"""

import builtins
import io
import json
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, NoReturn, Protocol

from testbeam.errors import WireError

MOST_BYTES = 256_000_000
_HIDDEN = "__pickle__"
_TEXT = "__error__"


@dataclass(frozen=True, slots=True)
class SentError:
    """An exception that the other side sent as a value."""

    text: str


class Serialiser(Protocol):
    """Bytes from values, and values from bytes."""

    @property
    def name(self) -> str:
        """Return the name that the banner bears."""

    def dump(self, value: Any) -> bytes:
        """Return the bytes of a value."""

    def load(self, data: bytes) -> Any:
        """Return the value of bytes; raise WireError where they are none."""


class JsonSerialiser:
    """JSON; tuples arrive as lists.

    With `reads_errors`, for clients, an exception is read as a `SentError`, by the text beside its pickle.
    """

    name = "json"

    def __init__(self, *, reads_errors: bool = False) -> None:
        self._encode = json.JSONEncoder(default=_for_json).encode
        self._decode = json.JSONDecoder(object_hook=_error_or_plain if reads_errors else _without_pickle).decode

    def dump(self, value: Any) -> bytes:
        """Return the bytes; what JSON has no word for goes as its text, an exception as the genuine client wants it."""
        try:
            return self._encode(value).encode()
        except (TypeError, ValueError, RecursionError):
            return self._encode(plain(value)).encode()

    def load(self, data: bytes) -> Any:
        """Return the value.

        Raises:
            WireError: it is no JSON, or has a pickle in it.
        """
        try:
            return self._decode(data.decode())
        except (ValueError, RecursionError) as error:
            raise WireError("JSON", f"{data[:40]!r} can't be read: {error}") from None


class PickleSerialiser:
    """Pickle, protocol 2, read by an unpickler that knows no class at all.

    With `reads_objects`, for clients of genuine daemons, an object of any class is read as an inert stand-in: nothing of that class is
    looked up, imported or called.
    """

    name = "classic"

    def __init__(self, *, reads_objects: bool = False) -> None:
        self._unpickler = _TolerantUnpickler if reads_objects else _Unpickler

    def dump(self, value: Any) -> bytes:
        """Return the bytes of a value made of built-in types only."""
        return pickle.dumps(value if isinstance(value, BaseException) and _is_built_in(value) else plain(value), 2)

    def load(self, data: bytes) -> Any:
        """Return the value.

        Raises:
            WireError: it is no pickle, or names a class.
        """
        try:
            return self._unpickler(io.BytesIO(data), encoding="latin-1").load()
        except WireError:
            raise
        except Exception as error:  # an unpickler raises whatever comes of the bytes
            raise WireError("pickle", f"{data[:40]!r} can't be read: {type(error).__name__}: {error}") from None


def plain(value: Any, depth: int = 0) -> Any:
    """Return a value as built-in types: mappings as dicts, sequences as lists or tuples, all else as its text."""
    if value is None or type(value) in (str, int, float, bool, bytes):
        return value
    if depth > 50:
        return "…"
    if isinstance(value, Mapping):
        return {_key(key): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(plain(item, depth + 1) for item in value)
    if isinstance(value, list | set | frozenset):
        return [plain(item, depth + 1) for item in value]
    if isinstance(value, Enum):
        return plain(value.value, depth + 1)
    if isinstance(value, str | int | float):  # of a class of somebody's own
        return next(kind(value) for kind in (str, int, float) if isinstance(value, kind))
    as_list = getattr(value, "tolist", None)
    return as_list() if callable(as_list) and type(value).__module__ == "numpy" else str(value)


def _key(key: Any) -> Any:
    return key if isinstance(key, str | int | float) or key is None else str(key)


def _for_json(value: Any) -> Any:
    if isinstance(value, BaseException):
        error = value if _is_built_in(value) else RuntimeError(f"{type(value).__name__}: {value}")
        return {_HIDDEN: pickle.dumps(error, 2).decode("latin-1"), _TEXT: f"{type(value).__name__}: {value}"}
    return value.decode("latin-1") if isinstance(value, bytes) else plain(value)


def _is_built_in(error: BaseException) -> bool:
    return getattr(builtins, type(error).__name__, None) is type(error) and all(isinstance(item, str | int) for item in error.args)


def _without_pickle(value: dict[str, Any]) -> dict[str, Any]:
    if _HIDDEN in value:
        raise ValueError("a pickle is hidden in it; send plain values")
    return value


def _error_or_plain(value: dict[str, Any]) -> Any:
    if _HIDDEN in value and isinstance(value.get(_TEXT), str):
        return SentError(value[_TEXT])
    return _without_pickle(value)


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        raise WireError("pickle", f"names {module}.{name}; only plain values are read")

    def persistent_load(self, pid: Any) -> NoReturn:
        raise WireError("pickle", f"names the persistent object {pid!r:.40}; only plain values are read")


class _Inert:
    """Stands for an object of a class that is not known here; one that is made without its arguments has none."""

    arguments: tuple[Any, ...] = ()

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments

    def __setstate__(self, state: Any) -> None:
        self.state = plain(state)

    def __repr__(self) -> str:
        return f"<object {self.arguments!r:.60}>"


def _sent_error(name: str) -> Callable[..., SentError]:
    return lambda *arguments: SentError(f"{name}: {', '.join(map(str, arguments))}")


def _bytes(text: str, _encoding: str = "latin-1") -> bytes:
    return text.encode("latin-1")


_STAND_INS: Mapping[tuple[str, str], Any] = {
    ("_codecs", "encode"): _bytes,  # how protocol 2 writes bytes
    ("nicos.utils", "readonlylist"): list,
    ("nicos.utils", "readonlydict"): dict,
    ("builtins", "set"): list,
    ("__builtin__", "set"): list,
    ("builtins", "frozenset"): list,
    ("__builtin__", "frozenset"): list,
}


class _TolerantUnpickler(_Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        stand_in = _STAND_INS.get((module, name))
        if stand_in is not None:
            return stand_in
        if name.endswith(("Error", "Exception", "Warning", "Failure")):
            return _sent_error(name)
        return _Inert


SERIALISERS: Mapping[str, Serialiser] = {one.name: one for one in (JsonSerialiser(), PickleSerialiser())}
FOR_CLIENTS: Mapping[str, Serialiser] = {one.name: one for one in (JsonSerialiser(reads_errors=True), PickleSerialiser(reads_objects=True))}
