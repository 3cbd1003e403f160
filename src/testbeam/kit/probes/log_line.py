"""Probe that waits for a line in a service's log."""

import re
from dataclasses import dataclass

from testbeam.errors import StackError
from testbeam.kit.logs import LineReader
from testbeam.kit.spec import ProbeResult, ServiceView
from testbeam.model.deadline import Deadline

_ATTEMPT_S = 0.5


@dataclass(frozen=True, slots=True)
class LogLine:
    """Ready when a regular expression is found in `times` lines of the log since this start; a line without its end is not read yet."""

    pattern: str
    times: int = 1

    def __post_init__(self) -> None:
        if self.times < 1:
            raise StackError(f"log probe {self.pattern!r}: times={self.times} can't be used; give 1 or more")
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise StackError(f"log probe {self.pattern!r} is no regular expression: {error}; a literal text: re.escape(…)") from None

    def check(self, service: ServiceView) -> ProbeResult:
        """Read what is new, for half a second at the most: some hundred MB."""
        reader, found = service.memory.setdefault(f"log_line {self}", (LineReader(service.log_path, service.log_start), []))
        deadline, pattern = Deadline(_ATTEMPT_S), re.compile(self.pattern, re.MULTILINE)
        while len(found) < self.times and not deadline.passed and (text := reader.read()):
            found.extend({text.rfind("\n", 0, match.start()) for match in pattern.finditer(text)})
        often = f" {self.times} times" if self.times > 1 else ""
        if len(found) >= self.times:
            return ProbeResult(ready=True, detail=f"log says {self.pattern!r}{often}")
        return ProbeResult(
            ready=False, detail=f"no line of the log matches {self.pattern!r}{often}{f', but {len(found)}' if often else ''}"
        )
