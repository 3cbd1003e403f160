"""The flow of a script: where it is, and how others break, continue and stop it.

`line` and `breakpoint` are called by the thread of the script, all else by any thread. Levels: 1 after a line, 2 after a point of a scan,
3 in the midst of counting, 5 wherever something is waited for. A stop is raised once, and once more where a more urgent one follows: what
has to be put right behind it may take its time. Where a stop is `relentless` it is raised at every line and wait from then on.
Source: docs/reference/contracts/control.md, "Break and stop".
"""

import threading
import time
from collections.abc import Callable

from testbeam.errors import ControlError
from testbeam.wire.nicos.daemon_words import BreakLevel, ScriptStatus

_WAIT_S = 0.2


class ScriptStopped(BaseException):
    """A stop reaches the script; no `except Exception` of a script keeps it up."""

    def __init__(self, who: str, level: int) -> None:
        super().__init__(f"stopped by {who or 'the system'}")
        self.who = who
        self.level = level


class Flow:
    """The state of the script of now; `on_status` is told of each change with the line."""

    def __init__(self, on_status: Callable[[ScriptStatus, int], None]) -> None:
        self.status = ScriptStatus.IDLE
        self.line_number = -1
        self.since_s = 0.0
        self.told: str = ""
        self.finish_early = threading.Event()
        self.relentless = False
        self.stopping_since_s = 0.0  # of `time.monotonic`: when the newest stop was raised
        self.on_line: Callable[[], None] | None = None  # called before the next line is run
        self._on_status = on_status
        self._condition = threading.Condition()
        self._break_level: int | None = None
        self._break_by = ""
        self._stop: ScriptStopped | None = None
        self._raised_level = 0

    @property
    def is_running(self) -> bool:
        """Tell whether a script is under way, paused or not."""
        return self.status not in (ScriptStatus.IDLE, ScriptStatus.IDLE_AFTER_ERROR)

    @property
    def is_stopping(self) -> bool:
        """Tell whether a stop is on its way to the script."""
        return self._stop is not None

    def claim(self) -> None:
        """Be running from now on, before anything of the script is: nobody is told yet."""
        if not self.is_running:
            self.reset()
            self.status = ScriptStatus.RUNNING

    def reset(self) -> None:
        """Forget breaks and stops that were meant for the script before."""
        with self._condition:
            self._break_level, self._stop = None, None
            self._raised_level, self.relentless = 0, False
            self.finish_early.clear()

    def begin(self) -> None:
        """Note that a script is about to run."""
        self.since_s = time.time()
        self.line_number = 0
        self._set(ScriptStatus.RUNNING)

    def end(self, failed: bool) -> None:
        """Note that it has ended; only when nothing waits to be run."""
        self.line_number = -1
        self._set(ScriptStatus.IDLE_AFTER_ERROR if failed else ScriptStatus.IDLE)

    def line(self, number: int) -> None:
        """Note the line that is to be run next, and let a break or a stop take hold."""
        if number != self.line_number:
            self.line_number = number
            self._on_status(self.status, number)
        if self._break_level is not None or self._stop is not None:
            self.breakpoint(BreakLevel.AFTER_LINE)
        if self.on_line is not None:
            self.on_line()

    def breakpoint(self, level: int) -> None:
        """Let a break or a stop of this level, or one more urgent, take hold.

        Raises:
            ScriptStopped: a stop is asked for.
        """
        self.check_stop(level)
        if self._break_level is not None and level <= self._break_level:
            self._pause()
            self.check_stop(level)

    def breaks_at(self, level: int) -> bool:
        """Tell whether a break of this level would take hold."""
        return self._break_level is not None and level <= self._break_level

    def stops_at(self, level: int) -> bool:
        """Tell whether a stop of this level would take hold."""
        return self._stop is not None and level <= self._stop.level

    def request_break(self, level: int, who: str) -> None:
        """Have the script pause; raise ControlError where it can't be."""
        if self.status is ScriptStatus.STOPPING or self._stop is not None:
            raise ControlError("script is already stopping")
        if self.status is ScriptStatus.IN_BREAK:
            raise ControlError("script is already paused")
        self._break_level, self._break_by = level, who

    def request_continue(self) -> None:
        """Have a paused script go on; raise ControlError where it is not paused."""
        if self._stop is not None:
            raise ControlError("could not continue script")
        if self.status is not ScriptStatus.IN_BREAK and self._break_level is None:
            raise ControlError("script is not paused")
        with self._condition:
            self._break_level = None
            self._condition.notify_all()

    def request_stop(self, level: int, who: str) -> None:
        """Have the script end where a stop of this level takes hold."""
        with self._condition:
            if self._stop is None or level > self._stop.level:
                self._stop = ScriptStopped(who, level)
            self._condition.notify_all()

    def check_stop(self, level: int) -> None:
        """Let a stop of this level, or one more urgent, take hold, unless it has been raised already; raise ScriptStopped."""
        stop = self._stop
        if stop is not None and level <= stop.level and (self.relentless or stop.level > self._raised_level):
            self._raised_level, self.stopping_since_s = stop.level, time.monotonic()
            if self.status is not ScriptStatus.STOPPING:
                self._set(ScriptStatus.STOPPING)
            raise ScriptStopped(stop.who, stop.level)

    @property
    def outlives_a_stop(self) -> bool:
        """Tell whether a stop as urgent as can be has been raised in the script, which goes on."""
        return self.status is ScriptStatus.STOPPING and self._raised_level >= BreakLevel.IMMEDIATE

    def _pause(self) -> None:
        self.told = f"paused by {self._break_by}"
        self._set(ScriptStatus.IN_BREAK)
        with self._condition:
            while self._break_level is not None and self._stop is None:
                self._condition.wait(_WAIT_S)
        if self._stop is None:
            self._set(ScriptStatus.RUNNING)

    def _set(self, status: ScriptStatus) -> None:
        self.status = status
        self._on_status(status, self.line_number)
