"""Questions of a script to whoever is at a client: the script pauses until one continues it, with an answer where it asked for one.

Source: docs/reference/contracts/control.md, "Prompts".
"""

import uuid
from collections.abc import Callable, Sequence
from typing import Any

from testbeam.errors import ControlError
from testbeam.services.control.commands.flow import Flow
from testbeam.wire.nicos.daemon_words import BreakLevel, Event

_NOTHING: Any = object()
Kind = Callable[[Any], Any] | Sequence[Any]  # what makes a value of an answer, or the answers that there are


class Prompts:
    """Asks by events, through the pause of a script; it is a `commands.user.Asks`."""

    def __init__(self, flow: Flow, emit: Callable[[Event, Any], None]) -> None:
        self._flow = flow
        self._emit = emit
        self._kind: Kind = str
        self._given: Any = _NOTHING
        self.open: list[Any] | None = None  # the question, as clients are told it

    def pause(self, text: str) -> None:
        """Pause until somebody continues."""
        self._put([text, str(uuid.uuid4())], "pause()")

    def ask(self, text: str, kind: Kind, default: Any) -> Any:
        """Pause until somebody has answered and continues; return the answer, or the default.

        Raises:
            ControlError: it was continued without an answer, and there is no default.
        """
        self._kind = kind
        known = () if default is ... else (default,)
        self._put([text, str(uuid.uuid4()), _described(kind), *known], "userinput()")
        if self._given is not _NOTHING:
            return self._given
        if default is ...:
            raise ControlError(f"the script was continued without an answer to {text!r}")
        return default

    def answer(self, uid: str, value: Any) -> None:
        """Take an answer; raise ControlError where it does not fit, or nothing is asked."""
        if self.open is None or self.open[1] != uid:
            raise ControlError("nothing is asked now, or something else")
        self._given = _fitted(self._kind, value)

    def _put(self, question: list[Any], who: str) -> None:
        self._given, self.open = _NOTHING, question
        self._flow.request_break(BreakLevel.NOW, who)
        self._emit(Event.PROMPT, question)
        try:
            self._flow.breakpoint(BreakLevel.NOW)
        finally:
            self.open = None
            self._emit(Event.PROMPTDONE, [question[1]])


def _described(kind: Kind) -> Any:
    return getattr(kind, "__name__", "str") if callable(kind) else list(kind)


def _fitted(kind: Kind, value: Any) -> Any:
    if callable(kind):
        try:
            return kind(value)
        except (ValueError, TypeError) as error:
            raise ControlError(f"{value!r:.60} is no {_described(kind)}: {error}") from None
    found = next((one for one in kind if one == value or str(one) == value), _NOTHING)
    if found is _NOTHING:
        raise ControlError(f"{value!r:.60} is none of {', '.join(map(str, kind))}")
    return found
