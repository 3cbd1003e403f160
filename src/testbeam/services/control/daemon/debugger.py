"""Python's debugger on a script, spoken to by clients: lines come by `debuginput`, what it says is told as messages.

It belongs to the script's thread; `give` may be called by any.
"""

import pdb
import queue
import sys
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

from testbeam.wire.nicos.daemon_words import MessageLevel

_SKIPPED = ["testbeam.*", "threading", "contextlib", "queue"]  # nobody debugs the daemon from a script


class Debugger(pdb.Pdb):
    """A debugger; `on_end` is called when it has let go of the script."""

    def __init__(self, say: Callable[[str, int, str], None], on_end: Callable[[], None]) -> None:
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._on_end = on_end
        super().__init__(stdin=self, stdout=_Said(say), skip=_SKIPPED, nosigint=True, readrc=False)  # type: ignore[arg-type]  # as far as it reads
        self.prompt = ""
        self.use_rawinput = False

    def give(self, line: str) -> None:
        """Give a line to the debugger."""
        self._lines.put(f"{line.rstrip()}\n")

    @staticmethod
    def let_go() -> None:
        """Trace nothing of this thread any more."""
        sys.settrace(None)

    def readline(self) -> str:
        """Wait for a line; the debugger reads from itself."""
        return self._lines.get()

    def set_continue(self) -> None:
        """Let the script run on, up to a breakpoint where there is one."""
        super().set_continue()
        if not self.get_all_breaks():
            self._on_end()

    def set_quit(self) -> None:
        """End the script."""
        super().set_quit()
        self._on_end()

    def run_script(self, code: CodeType, namespace: dict[str, Any]) -> None:
        """Run a script, stopping at its first line; raise BdbQuit where it is ended by the debugger."""
        self.reset()
        sys.settrace(self.trace_dispatch)
        try:
            exec(code, namespace)  # noqa: S102 — a user's script, by the daemon's purpose
        finally:
            self.quitting = True
            sys.settrace(None)


def script_frame(name: str) -> FrameType | None:
    """Return the innermost frame of a script in this thread."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 — the only way to one's callers
    while frame is not None and frame.f_code.co_filename != (name or "<script>"):
        frame = frame.f_back
    return frame


class _Said:
    """What the debugger says, a message for each time that it is done."""

    def __init__(self, say: Callable[[str, int, str], None]) -> None:
        self._say = say
        self._text = ""

    def write(self, text: str) -> None:
        self._text += text

    def flush(self) -> None:
        text, self._text = self._text.strip("\n"), ""
        if text:
            self._say("debugger", MessageLevel.INFO, text)
