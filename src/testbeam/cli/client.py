"""`testbeam client`: a prompt on the instrument's daemon."""

import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from testbeam.cli.apps import new_app
from testbeam.clients.control import Client
from testbeam.errors import ControlError, SettingsError, TestbeamError
from testbeam.wire.nicos.daemon_words import BreakLevel, EtaState, Event, MessageLevel, ScriptStatus

app = new_app()

_STATES = {-2: "idle after an error", -1: "idle", 0: "running", 1: "paused", 2: "stopping"}
_HELP = """A line is a script, queued where one runs: maw(motor, 5)   scan(motor, 0, 1, 11, t=1)   help()
?EXPRESSION   its value, at once          /status    what runs, what waits, who has control
/break [N]    pause (1 line 2 point 3 now) /continue  go on
/stop [N]     stop at the same levels      /emergency stop the script and all that moves, now
/finish       end a count early            /log [N]   the newest messages
/run FILE     run a script                 /sim LINE  dry run
/answer VALUE what a script asks           /debug [LINE]  a script, or that which runs, in the debugger
/quit         log out"""


@app.command()
def client(
    address: Annotated[str, typer.Argument(metavar="HOST:PORT", help="Where the daemon is; default: of the stack that is up.")] = "",
    user: Annotated[str, typer.Option("--user", "-u", help="Who logs in.")] = "user",
    password: Annotated[str, typer.Option("--password", "-p", help="The password; '-' asks for it.")] = "user",  # noqa: S107 — the demo's
    execute: Annotated[list[str] | None, typer.Option("--execute", "-e", help="Run this and end; may be given more than once.")] = None,
    timeout: Annotated[float, typer.Option(help="s that --execute waits for each.")] = 3600.0,
) -> None:
    """Talk to the instrument's daemon: each line is a script; messages come as they happen. /help lists what else there is."""
    if password == "-":  # noqa: S105 — asks for one
        import getpass

        password = getpass.getpass(f"password of {user}: ")
    screen = _Screen()
    with Client(address or _of_running_stack(), user, password, on_event=screen.take) as connected:
        if execute:
            _execute(connected, execute, timeout)
            return
        screen.status = connected.getstatus()["status"][0]
        _prompt(connected, screen)


def _execute(connected: Client, scripts: Sequence[str], timeout_s: float) -> None:
    try:
        for code in scripts:
            connected.execute(code, timeout=timeout_s)
    except KeyboardInterrupt:
        print("the script goes on at the daemon: testbeam client, and /stop there, ends it", file=sys.stderr)
        raise


def _of_running_stack() -> str:
    from testbeam.cli.chosen_stack import meant  # late: an address that is given needs no look for stacks

    entry = meant()
    found = [endpoints["daemon"] for endpoints in entry.endpoints.values() if "daemon" in endpoints]
    if not found:
        raise SettingsError("client", entry.name, "HOST:PORT of a daemon: the stack that is up has none")
    return found[0]


class _Screen:
    """What is shown while somebody types: messages as they come, and the status in the prompt."""

    def __init__(self) -> None:
        self.status = int(ScriptStatus.IDLE)
        self.is_debugging = False
        self.is_waiting = False  # for somebody to type
        self._lock = threading.Lock()

    def take(self, event: Event, data: Any) -> None:
        if event is Event.STATUS and isinstance(data, list):
            before, self.status = self.status, int(data[0])
            if before != self.status:
                self.show()
        elif event is Event.DEBUGGING:
            self.is_debugging = bool(data)
            self.show("in the debugger: n, s, c, q, p EXPRESSION" if data else "out of the debugger")
        elif event is Event.PROMPT and isinstance(data, list) and len(data) > 2:
            self.show(f"{data[0]} (/answer VALUE, {data[2] if isinstance(data[2], str) else ' or '.join(map(str, data[2]))})")
        elif event is Event.PROMPT and isinstance(data, list) and data:
            self.show(f"{data[0]} (/continue)")
        elif event is Event.MESSAGE and isinstance(data, list) and len(data) > 3:
            self.show(message_text(data))
        elif event is Event.SIMMESSAGE and isinstance(data, list) and len(data) > 3:
            self.show(f"(dry run) {message_text(data)}")
        elif event is Event.SIMRESULT and isinstance(data, list) and data:
            self.show(f"(dry run) takes {data[0]:.1f} s" if data[0] >= 0 else "(dry run) fails")

    def show(self, text: str = "") -> None:
        """Show a text above the line that is being typed, whose prompt is that of now; without a text only that."""
        with self._lock:
            if not sys.stdout.isatty():
                print(*([text] if text else []), end="\n" if text else "", flush=True)
                return
            typed = f"{self.prompt}{_typed()}" if self.is_waiting else ""
            print(f"\r\x1b[K{text}{chr(10) if text else ''}{typed}", end="", flush=True)

    def read_line(self) -> str:
        """Return what is typed; raises as `input`."""
        self.is_waiting = True
        try:
            return input(self.prompt).strip()
        finally:
            self.is_waiting = False

    @property
    def prompt(self) -> str:
        return f"[{'debugging' if self.is_debugging else _STATES.get(self.status, '?')}] >>> "


def _typed() -> str:
    """Return what of a line has been typed."""
    try:
        import readline
    except ImportError:
        return ""
    return readline.get_line_buffer()


def message_text(message: Sequence[Any]) -> str:
    """Return a message as a line: time, who, what; warnings and errors say so."""
    name, stamp_s, level, text = message[:4]
    when = time.strftime("%H:%M:%S", time.localtime(float(stamp_s)))
    word = "" if level < MessageLevel.WARNING else "WARNING: " if level < MessageLevel.ERROR else "ERROR: "
    return f"{when} {'' if name == 'nicos' else f'{name}: '}{word}{str(text).rstrip()}"


def _prompt(connected: Client, screen: _Screen) -> None:
    _complete_with(connected)
    for message in connected.messages(20):
        screen.show(message_text(message))
    while True:
        try:
            line = screen.read_line()
        except EOFError:
            return
        except KeyboardInterrupt:
            screen.show("/stop 1, 2 or 3 stops the script, /emergency everything, /quit logs out")
            continue
        if line == "/quit":
            return
        try:
            _do(connected, screen, line)
        except TestbeamError as error:
            screen.show(str(error))


def _do(connected: Client, screen: _Screen, line: str) -> None:
    word, _, rest = line.partition(" ")
    commands: dict[str, Callable[[], Any]] = {
        "/help": lambda: screen.show(_HELP),
        "/status": lambda: screen.show(_status_text(connected.getstatus())),
        "/break": lambda: connected.break_(_level(rest)),
        "/continue": connected.continue_,
        "/stop": lambda: connected.stop_script(_level(rest)),
        "/emergency": connected.emergency,
        "/finish": connected.finish,
        "/log": lambda: screen.show("\n".join(map(message_text, connected.messages(_number(rest or "20"))))),
        "/run": lambda: connected.queue(_read(rest), rest),
        "/sim": lambda: connected.simulate(rest),
        "/answer": lambda: connected.answer(rest),
        "/debug": lambda: connected.debug(rest),
    }
    if word in commands:
        commands[word]()
    elif word.startswith("/"):
        raise ControlError(f"{word} is not known; /help lists what is")
    elif screen.is_debugging:
        connected.debug_input(line)
    elif line.startswith("?"):
        screen.show(str(connected.eval(line[1:], stringify=True)))
    elif line:
        connected.queue(line, "")


def _level(text: str) -> int:
    if text and text not in {str(int(level)) for level in BreakLevel}:
        raise ControlError(f"level {text} is none of 1 (line), 2 (point), 3 (now), 5 (at once)")
    return int(text or BreakLevel.AFTER_LINE)


def _number(text: str) -> int:
    if not text.isdigit():
        raise ControlError(f"{text} is no number of messages")
    return int(text)


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError as error:
        raise ControlError(f"{path}: {error.strerror}") from None


def _status_text(status: dict[str, Any]) -> str:
    code, line = status["status"]
    holder, eta = status.get("control") or {}, status.get("eta") or [0, 0]
    lines = [
        f"{_STATES.get(code, code)}{f', line {line}' if line > 0 else ''}; control: {holder.get('user', 'nobody')}",
        *([f"ends at about {time.strftime('%H:%M:%S', time.localtime(eta[1]))}"] if eta[0] == EtaState.SUCCESS else []),
        *([f"asks: {status['prompt'][0]}"] if status.get("prompt") else []),
        f"setups: {', '.join(status['setups'][1]) or 'none'}; {len(status['devices'])} devices",
        *(f"waits: {one['script'].splitlines()[0] if one['script'] else ''}" for one in status["requests"]),
        *(f"not there: {name}: {why}" for name, why in status["devicefailures"].items()),
    ]
    return "\n".join(lines)


def _complete_with(connected: Client) -> None:
    """Let Tab ask the daemon, where the terminal can."""
    try:
        import readline
    except ImportError:
        return
    found: list[str] = []

    def complete(_word: str, state: int) -> str | None:
        if state == 0:
            try:
                found[:] = connected.complete(readline.get_line_buffer())
            except TestbeamError:
                found.clear()
        return found[state] if state < len(found) else None

    readline.set_completer_delims(" (,=[{")
    readline.set_completer(complete)
    readline.parse_and_bind("tab: complete")
