"""Protocol by which a hosted run is steered: one JSON object a line, a request one way, an answer or events the other."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import testbeam.errors as errors
from testbeam.errors import StackError, TestbeamError, WireError

SCHEMA = "run_control"
MAX_LINE = 4 << 20  # bytes; a declaration with its files fits many times

Fields = Mapping[str, type]

# word → what it needs; every word that names a service needs `service`
WORDS: dict[str, Fields] = {
    "describe": {},
    "look": {"service": str},
    "start": {"service": str},
    "stop": {"service": str},
    "restart": {"service": str},
    "kill": {"service": str},
    "pause": {"service": str},
    "resume": {"service": str},
    "call": {"service": str, "argv": list, "within_s": float},
    "send_signal": {"service": str, "number": int},
    "expect_exit": {"service": str, "change": int},
    "wait_exit": {"service": str, "timeout_s": float},
    "fill": {"service": str, "text": str},
    "environment": {"service": str},
    "add": {"declaration": dict},
    "remove": {"service": str},
    "fault_begin": {"service": str, "kind": str, "options": dict},
    "fault_end": {"number": int, "why": str},
    "fault_change": {"number": int, "options": dict},
    "fault_counts": {"number": int},
    "mark": {"label": str, "data": dict},
    "record": {"kind": str, "service": str, "data": dict},
    "crashes": {"since": int},
    "events": {"since": int},
    "follow": {"since": int},
    "end": {},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One word to a running stack, with what it needs; see WORDS."""

    word: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a word came to: a value, or an error by its kind and message."""

    value: Any = None
    error: str = ""
    message: str = ""


class Lines:
    """Cuts a stream of bytes into lines."""

    def __init__(self) -> None:
        self._unread = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that `data` completes.

        Raises:
            WireError: a line is longer than MAX_LINE.
        """
        self._unread += data
        *lines, rest = self._unread.split(b"\n")
        if max(map(len, (*lines, rest))) > MAX_LINE:
            raise WireError(SCHEMA, f"a line of more than {MAX_LINE} bytes")
        self._unread = rest
        return [bytes(line) for line in lines]


def encode_request(request: Request) -> bytes:
    """Return the request as one line."""
    return _line({"word": request.word, **request.data})


def decode_request(line: bytes) -> Request:
    """Return the request that a line holds.

    Raises:
        WireError: it is none; says which word or field is wrong.
    """
    data = _object(line)
    word = data.pop("word", None)
    if not isinstance(word, str) or word not in WORDS:
        raise WireError(SCHEMA, f"no such word: {word!r:.60}; there are {', '.join(WORDS)}")
    for name, kind in WORDS[word].items():
        _check(word, name, kind, data)
    unknown = sorted(set(data) - set(WORDS[word]))
    if unknown:
        raise WireError(SCHEMA, f"{word}: no such field: {', '.join(unknown):.200}")
    return Request(word=word, data=data)


def encode_answer(answer: Answer) -> bytes:
    """Return the answer as one line; what JSON does not know is sent as text."""
    if answer.error:
        return _line({"error": answer.error, "message": answer.message})
    return _line({"value": answer.value})


def decode_answer(line: bytes) -> Answer:
    """Return the answer that a line holds.

    Raises:
        WireError: it is none.
    """
    data = _object(line)
    if set(data) == {"error", "message"} and all(isinstance(text, str) for text in data.values()) and data["error"]:
        return Answer(error=data["error"], message=data["message"])
    if set(data) == {"value"}:
        return Answer(value=data["value"])
    raise WireError(SCHEMA, f"neither a value nor an error: {sorted(data)!r:.200}")


def refusal(error: Exception) -> Answer:
    """Return the answer that carries an error; one that is not of our tree is named in the message."""
    if isinstance(error, TestbeamError | TimeoutError):
        return Answer(error=type(error).__name__, message=str(error))
    return Answer(error=StackError.__name__, message=f"{type(error).__name__}: {error}")


def told_of(error: Exception) -> dict[str, str]:
    """Return what `error_of` makes an error of again, as words of JSON."""
    answer = refusal(error)
    return {"kind": answer.error, "message": answer.message, "run_folder": str(getattr(error, "run_folder", None) or "")}


def error_of(kind: str, message: str, run_folder: str = "") -> Exception:
    """Return the error that `refusal` carried, of its own class and with its message."""
    if kind == TimeoutError.__name__:
        return TimeoutError(message)
    found = getattr(errors, kind, StackError)
    cls = found if isinstance(found, type) and issubclass(found, TestbeamError) else StackError
    error = cls.__new__(cls, message)
    Exception.__init__(error, message)  # some kinds make their message of several words
    if run_folder and isinstance(error, StackError):
        error.run_folder = Path(run_folder)
    return error


def _check(word: str, name: str, kind: type, data: dict[str, Any]) -> None:
    if name not in data:
        raise WireError(SCHEMA, f"{word}: {name} is missing; give {kind.__name__}")
    value = data[name]
    kinds: tuple[type, ...] = (int, float) if kind is float else (kind,)
    if not isinstance(value, kinds) or (isinstance(value, bool) and kind is not bool):
        raise WireError(SCHEMA, f"{word}: {name} is {value!r:.60}; give {kind.__name__}")


def _line(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data, default=str).encode() + b"\n"


def _object(line: bytes) -> dict[str, Any]:
    if len(line) > MAX_LINE:
        raise WireError(SCHEMA, f"a line of more than {MAX_LINE} bytes")
    try:
        data = json.loads(line.decode())
    except (ValueError, RecursionError) as error:
        raise WireError(SCHEMA, f"not a line of JSON: {type(error).__name__}: {error!s:.100}") from None
    if not isinstance(data, dict):
        raise WireError(SCHEMA, f"{type(data).__name__} instead of an object")
    return data
