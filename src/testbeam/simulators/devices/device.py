"""Simulated device: state, commands with their replies, and how its state moves with time.

A command is a method marked by `@command(pattern)`. Its groups become arguments, converted as the annotations say (float, int, str,
bytes); what it returns is the reply, None is no reply. A request that no pattern matches in whole is passed to `unknown`.
"""

import inspect
import math
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from testbeam.errors import SettingsError

Reply = str | bytes | float | int | None
F = TypeVar("F", bound=Callable[..., Any])
_PATTERN = "_testbeam_command"


def command(pattern: str) -> Callable[[F], F]:
    """Mark a method as the answer to requests that match this regular expression in whole."""

    def mark(method: F) -> F:
        setattr(method, _PATTERN, pattern)
        return method

    return mark


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a class: what it matches, the method, and how its groups are converted."""

    pattern: re.Pattern[bytes]
    method: str
    converters: tuple[Callable[[bytes], Any], ...]


class Device:
    """A device. Subclasses set defaults as class attributes; what is public and plain can be read and set by the backdoor."""

    port: ClassVar[int] = 9999
    terminator: ClassVar[str | bytes | None] = "\n"  # of requests; None or "": a request is what comes in one piece
    reply_terminator: ClassVar[str | bytes | None] = None  # as `terminator`
    case_sensitive: ClassVar[bool] = True

    def __init__(self, seed: int = 0) -> None:
        self.random = random.Random(seed)
        self.time_s = 0.0  # since the start, in virtual seconds
        self.outbox: list[bytes] = []  # messages that nobody has asked for
        self._commands = list(_commands(type(self)))

    # --- for subclasses ---

    def advance(self, seconds: float) -> None:
        """Let the state move on by so many virtual seconds."""

    def unknown(self, request: bytes) -> Reply:  # noqa: ARG002 — for subclasses
        """Answer what no command matches; the default is no reply."""
        return None

    def noisy(self, value: float, sigma: float) -> float:
        """Return a value with seeded Gaussian noise."""
        return value + self.random.gauss(0.0, sigma) if sigma > 0 else value

    def push(self, message: str | bytes) -> None:
        """Send a message that nobody has asked for to every client."""
        self.outbox.append(_bytes(message))

    # --- for the server ---

    def answer(self, request: bytes) -> bytes | None:
        """Return the reply to a request, without its terminator; None: no reply."""
        for known in self._commands:
            match = known.pattern.fullmatch(request)
            if match is None:
                continue
            try:
                arguments = [convert(group or b"") for convert, group in zip(known.converters, match.groups(), strict=False)]
            except ValueError:
                continue  # not a number: another command, or none
            return _reply(getattr(self, known.method)(*arguments))
        return _reply(self.unknown(request))

    def pass_time(self, seconds: float) -> None:
        """Advance by steps of at most 50 ms, so that a fast clock does not jump over a limit."""
        steps = max(math.ceil(seconds / 0.05), 1) if seconds > 0 else 0
        for _ in range(min(steps, 20_000)):
            self.time_s += seconds / steps
            self.advance(seconds / steps)

    def state(self) -> dict[str, Any]:
        """Return what the backdoor shows: public attributes with plain values."""
        names = [name for name in dir(self) if not name.startswith("_") and name not in _OWN]
        values = {name: getattr(self, name) for name in names}
        return {
            name: value for name, value in values.items() if isinstance(value, bool | int | float | str | list | tuple) or value is None
        }

    def change(self, name: str, value: Any) -> None:
        """Set an attribute.

        Raises:
            SettingsError: there is none of this name, or it has another type.
        """
        known = self.state()
        if name not in known:
            raise SettingsError("set", name, f"one of {', '.join(known)}")
        kind = type(known[name])
        setattr(
            self, name, value if known[name] is None or kind is bool or not isinstance(value, bool | int | float | str) else kind(value)
        )


_OWN = {"random", "outbox", "port", "terminator", "reply_terminator", "case_sensitive"}


def _commands(kind: type[Device]) -> Iterator[Command]:
    """Yield the commands of a class in the order in which they are written, those of its bases last."""
    seen = set[str]()
    for base in kind.__mro__:
        for name, method in vars(base).items():
            pattern = getattr(method, _PATTERN, None)
            if pattern is None or name in seen:
                continue
            seen.add(name)
            flags = 0 if kind.case_sensitive else re.IGNORECASE
            yield Command(re.compile(pattern.encode("latin-1"), flags), name, tuple(_converters(method)))


def _converters(method: Callable[..., Any]) -> Iterator[Callable[[bytes], Any]]:
    for parameter in list(inspect.signature(method).parameters.values())[1:]:
        yield _CONVERTERS.get(str(getattr(parameter.annotation, "__name__", parameter.annotation)), _text)


def _text(raw: bytes) -> str:
    return raw.decode("latin-1")


_CONVERTERS: dict[str, Callable[[bytes], Any]] = {"float": float, "int": lambda raw: int(raw, 0), "bytes": bytes, "str": _text}


def _reply(value: Reply) -> bytes | None:
    return None if value is None else _bytes(value if isinstance(value, str | bytes) else str(value))


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("latin-1", "replace")


def terminators(device: Device) -> tuple[bytes, bytes]:
    """Return what ends a request and what ends a reply; empty where there is none."""
    request = _bytes(device.terminator or b"")
    return request, request if device.reply_terminator is None else _bytes(device.reply_terminator)
