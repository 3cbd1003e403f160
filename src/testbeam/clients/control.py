"""Client of the instrument's daemon, for tests, scripts and the prompt: commands by their names, scripts with their end, values.

`client.maw(client.dev("Motor"), 5)` runs a script on the daemon and returns when it has ended; `read`, `status` and `eval` do not go
through the queue. Each failure is raised with what the daemon said of it.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbeam.errors import ControlError, ScriptFailed, TransportError, WaitTimeout
from testbeam.model.deadline import Deadline
from testbeam.transport.nicos.daemon import DaemonConnection
from testbeam.wire.nicos.daemon_words import BreakLevel, Command, Event, MessageLevel, ScriptStatus
from testbeam.wire.nicos.serialisers import SentError

_DONE_KEPT = 1000
_LOOK_S = 0.5
_NAME = "<testbeam>"


@dataclass(frozen=True, slots=True)
class DeviceReference:
    """A device of the daemon, by its name: stands for it in the arguments of commands."""

    name: str

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return self.name  # so that it reads as a name in the text of a script, also within a list


class Client:
    """A client of the daemon at `address` (HOST:PORT); use it as a context manager, or close it.

    Raises:
        TransportError: nobody answers there.
        ControlError: the log-in is refused.
    """

    def __init__(
        self,
        address: str,
        user: str = "user",
        password: str = "user",  # noqa: S107 — the one of the demo setups, on loopback
        *,
        on_event: Callable[[Event, Any], None] | None = None,
        runtime_root: Path | str = ".",
        within_s: float = 10.0,
    ) -> None:
        self.address = address
        self.runtime_root = Path(runtime_root)
        self._on_event = on_event
        self._condition = threading.Condition()
        self._done: dict[str, bool] = {}
        self._done_order: deque[str] = deque()
        host, _, port = address.partition(":")
        self._connection = DaemonConnection(host, int(port or 1301), user, password, on_event=self._take, within_s=within_s)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getattr__(self, name: str) -> Callable[..., str]:
        """Return what runs the command of this name, as `client.NewSetup("system")`."""
        if name.startswith("_"):
            raise AttributeError(name)

        def command(*arguments: Any, timeout: float = 60.0, **named: Any) -> str:
            return self.run_command(name, *arguments, timeout=timeout, **named)

        return command

    @property
    def banner(self) -> Mapping[str, Any]:
        """Return what the daemon says of itself."""
        return self._connection.banner

    @property
    def level(self) -> int:
        """Return the level of the user who is logged in: 0 guest, 10 user, 20 admin."""
        return self._connection.level

    def close(self) -> None:
        """Log out."""
        self._connection.close()

    def dev(self, name: str) -> DeviceReference:
        """Return a reference to a device, for the arguments of commands."""
        return DeviceReference(name)

    def read(self, device: DeviceReference | str, maxage: float | None = 0) -> Any:
        """Return a device's value; `maxage` 0 asks the hardware, None takes the cached one."""
        return self.eval(f"session.getDevice({str(device)!r}).read({maxage!r})")

    def status(self, device: DeviceReference | str, maxage: float | None = 0) -> Any:
        """Return a device's state and text."""
        return self.eval(f"session.getDevice({str(device)!r}).status({maxage!r})")

    def eval(self, expression: str, default: Any = ..., stringify: bool = False) -> Any:
        """Return the value of an expression in the daemon.

        Raises:
            ControlError: it can't be evaluated, and there is no default.
        """
        value = self.ask(Command.EVAL, expression, stringify)
        if not isinstance(value, SentError):
            return value
        if default is not ...:
            return default
        raise ControlError(f"{expression!r}: {value.text}")

    def execute(self, code: str, *, timeout: float = 60.0) -> str:
        """Run a script and return its id once it has ended well; one that is running is waited for first.

        Raises:
            ScriptFailed: it ended by an error or a stop; the message is what the daemon said.
            WaitTimeout: it has not ended in time; it goes on.
        """
        try:
            reqid = self.ask(Command.START, _NAME, code)
        except ControlError as error:
            if "running" not in str(error):  # the protocol has no code for it
                raise ScriptFailed(f"{_short(code)}: {error}") from None
            reqid = self.ask(Command.QUEUE, _NAME, code)
        self.wait_done(str(reqid), code, timeout)
        return str(reqid)

    def queue(self, code: str, name: str = _NAME) -> str:
        """Put a script at the end of the queue and return its id at once; raise ScriptFailed where it is refused."""
        try:
            return str(self.ask(Command.QUEUE, name, code))
        except ControlError as error:
            raise ScriptFailed(f"{_short(code)}: {error}") from None

    def wait_done(self, reqid: str, code: str = "", timeout: float = 60.0) -> None:
        """Wait for a script's end; raises as `execute`."""
        deadline = Deadline(timeout)
        with self._condition:
            while reqid not in self._done:
                self._check_connection()
                if deadline.passed:
                    break
                self._condition.wait(min(deadline.left_s, _LOOK_S))
            success = self._done.get(reqid)
        if success is None:
            raise WaitTimeout(f"{_short(code or reqid)} has not ended within {timeout:g} s; the daemon is at {self._where()}")
        if not success:
            raise ScriptFailed(f"{_short(code or reqid)}: {self.errors_of(reqid) or 'it was stopped, or taken off the queue'}")

    def run_command(self, name: str, *arguments: Any, timeout: float = 60.0, **named: Any) -> str:
        """Run one command by its name; see `execute`."""
        words = [repr(one) for one in arguments] + [f"{word}={value!r}" for word, value in named.items()]
        return self.execute(f"{name}({', '.join(words)})", timeout=timeout)

    def wait_idle(self, timeout: float = 60.0) -> None:
        """Wait until nothing runs and nothing waits; raise WaitTimeout where something still does."""
        deadline = Deadline(timeout)
        while True:
            late = deadline.passed
            status = self.getstatus()
            if status["status"][0] < ScriptStatus.RUNNING and not status["requests"]:
                return
            if late:
                raise WaitTimeout(f"the daemon is not idle within {timeout:g} s but at {self._where()}")
            with self._condition:
                self._condition.wait(0.05)

    def getstatus(self) -> dict[str, Any]:
        """Return what the daemon is doing, with which setups and devices."""
        found: dict[str, Any] = self.ask(Command.GETSTATUS)
        return found

    def messages(self, number: int | None = 100) -> list[list[Any]]:
        """Return the newest messages: name, time, level, text, traceback, request id."""
        found: list[list[Any]] = self.ask(Command.GETMESSAGES, "*" if number is None else str(number))
        return found

    def break_(self, level: int = BreakLevel.AFTER_LINE) -> None:
        """Pause the script."""
        self.ask(Command.BREAK, int(level))

    def continue_(self) -> None:
        """Have a paused script go on."""
        self.ask(Command.CONTINUE)

    def stop_script(self, level: int = BreakLevel.AFTER_LINE) -> None:
        """Stop the script."""
        self.ask(Command.STOP, int(level))

    def emergency(self) -> None:
        """Stop the script and everything that moves, now."""
        self.ask(Command.EMERGENCY)

    def finish(self) -> None:
        """End a count early and go on."""
        self.ask(Command.FINISH)

    def answer(self, value: Any) -> None:
        """Answer what a script asks by `userinput`, and let it go on; raise ControlError where nothing is asked, or it does not fit."""
        question = self.getstatus().get("prompt")
        if not question:
            raise ControlError("no script asks for anything now")
        self.eval(f"session.setUserinput({question[1]!r}, {value!r})")
        self.continue_()

    def debug(self, code: str = "") -> str:
        """Run a script in the debugger and return its id, or have the debugger take the one under way; what it says comes as messages."""
        return str(self.ask(Command.DEBUG, *((code,) if code else ())) or "")

    def debug_input(self, line: str) -> None:
        """Give a line to the debugger: n, s, c, q, p EXPRESSION …; raise ControlError where no script is in it."""
        self.ask(Command.DEBUGINPUT, line)

    def simulate(self, code: str, name: str = _NAME) -> None:
        """Run a script on copies of the devices; messages and result come as events. Raise ControlError where it is no Python."""
        self.ask(Command.SIMULATE, name, code)

    def complete(self, line: str) -> list[str]:
        """Return how the last word of a line may go on."""
        word = line[max((line.rfind(one) for one in " (,=[{"), default=-1) + 1 :]
        found: list[str] = self.ask(Command.COMPLETE, line, word)
        return found

    def ask(self, command: Command, *arguments: Any, within_s: float = 30.0) -> Any:
        """Give any command of the protocol; raises as `DaemonConnection.ask`."""
        return self._connection.ask(command, *arguments, within_s=within_s)

    def errors_of(self, reqid: str) -> str:
        """Return what the daemon said of a script's failure."""
        lines = [one[3].strip() for one in self.messages(300) if len(one) > 5 and one[5] == reqid and one[2] >= MessageLevel.WARNING]
        return "\n".join(lines[-12:])

    def _note_ends(self, reqids: list[str], *, success: bool) -> None:
        with self._condition:
            for reqid in reqids:
                self._done[reqid] = success
                self._done_order.append(reqid)
                if len(self._done_order) > _DONE_KEPT:
                    self._done.pop(self._done_order.popleft(), None)
            self._condition.notify_all()

    def _take(self, event: Event, data: Any) -> None:
        if event is Event.DONE and isinstance(data, dict) and "reqid" in data:
            self._note_ends([data["reqid"]], success=bool(data.get("success")))
        elif event is Event.BLOCKED and isinstance(data, list):  # taken off the queue: it will never be done
            self._note_ends(data, success=False)
        elif event is Event.STATUS:
            with self._condition:
                self._condition.notify_all()
        if self._on_event is not None:
            self._on_event(event, data)

    def _check_connection(self) -> None:
        if self._connection.lost:
            raise TransportError(self._connection.lost)

    def _where(self) -> str:
        try:
            status = self.getstatus()
        except (TransportError, ControlError) as error:
            return str(error)
        return f"line {status['status'][1]} of {_short(status['script'])!r} with status {status['status'][0]}"


def _short(code: str) -> str:
    line = code.strip().partition("\n")[0]
    return line if len(line) < 100 else f"{line[:97]}…"
