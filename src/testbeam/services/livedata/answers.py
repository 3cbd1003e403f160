"""Answers: exactly one for each command and source, over all processes that read the commands.

A worker answers at once what it owns, and is silent on the rest, which is how the protocol says "not mine". One designated worker answers
for what nobody owns, after SILENCE_S in which no other answer to the command was seen.
Source: docs/reference/contracts/livedata.md, "Commands".
"""

from collections import Counter
from dataclasses import dataclass, field

from testbeam.model.live import Answer

SILENCE_S = 0.2
TAKE_OVER_S = 12.0  # in which a worker takes over the jobs of one that died
_REMEMBERED = 10_000


@dataclass(slots=True)
class Unanswered:
    """Commands that nobody has answered so far, for the designated worker; monotonic seconds come from the caller."""

    is_designated: bool
    _waiting: list[tuple[float, Answer]] = field(default_factory=list)
    _seen: dict[tuple[str | None, str], int] = field(default_factory=dict)
    _own: Counter[tuple[str | None, str]] = field(default_factory=Counter)

    def wait(self, answer: Answer, now_s: float, patience_s: float = SILENCE_S) -> None:
        """Give this answer later, unless another one comes."""
        if self.is_designated:
            self._waiting.append((now_s + patience_s, answer))
            self._waiting.sort(key=lambda one: one[0])

    def saw(self, answer: Answer) -> None:
        """Note an answer on the topic; one's own comes back, too, and says nothing new."""
        key = answer.message_id, answer.device
        if key in self._own:
            self._own[key] -= 1
            if not self._own[key]:
                del self._own[key]
            return
        self._seen[key] = self._seen.get(key, 0) + 1
        while len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]

    def gave(self, answer: Answer) -> None:
        """Note that this worker sends an answer."""
        if self.is_designated:
            self._own[answer.message_id, answer.device] += 1

    def due(self, now_s: float) -> list[Answer]:
        """Return the answers whose time has come and which nobody else has given."""
        found = []
        while self._waiting and self._waiting[0][0] <= now_s:
            _, answer = self._waiting.pop(0)
            key = answer.message_id, answer.device
            seen = self._seen.get(key, 0)
            if seen:
                self._seen[key] = seen - 1
            else:
                found.append(answer)
        return found
