"""Answers of the daemon to each command, and who may give it.

A method `_<command>` takes the client and the arguments and returns the reply; a `ControlError` is the refusal. What asks for control is
refused while somebody of a higher level has it; an admin may do anything, and an emergency stop anybody.
Source: docs/reference/contracts/control.md, "Rights".
"""

import base64
import inspect
import math
import rlcompleter
import secrets
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from testbeam._version import __version__
from testbeam.errors import ControlError, TransportError
from testbeam.services.control.commands.user import UserCommands
from testbeam.services.control.daemon.controller import Controller
from testbeam.services.control.daemon.dry_run import DryRun
from testbeam.services.control.daemon.estimate import Estimator, is_harmless
from testbeam.services.control.daemon.messages import Messages
from testbeam.services.control.daemon.prompts import Prompts
from testbeam.services.control.daemon.script import Request, parsed
from testbeam.services.control.daemon.server import Client
from testbeam.services.control.daemon.users import LoginKey, User, Users
from testbeam.services.control.session import Session
from testbeam.transport.nicos.cache import CacheClient, CacheValue
from testbeam.wire.nicos.daemon_words import (
    NEEDS_CONTROL,
    NEEDS_SCRIPT,
    PROTOCOL_VERSION,
    Command,
    Event,
    MessageLevel,
    ScriptStatus,
    UserLevel,
)
from testbeam.wire.readable.texts import printable

_SLOW = frozenset(
    {
        Command.EVAL,
        Command.EXEC,
        Command.COMPLETE,
        Command.GETCACHEKEYS,
        Command.GETHISTORY,
        Command.SIMULATE,
        Command.TRANSFER,
        Command.WATCH,
        Command.UNWATCH,
        Command.GETSTATUS,
    }
)
_MOST_TRANSFER_BYTES = 64_000_000
_MOST_ESTIMATE_S = 3.0
_MOST_NAME = 200  # characters


class DaemonAnswers:
    """The answers of one daemon; it is a `server.Answers`."""

    def __init__(
        self,
        session: Session,
        controller: Controller,
        commands: UserCommands,
        messages: Messages,
        users: Users,
        emit: Callable[[Event, Any], None],
        *,
        estimator: Estimator,
        prompts: Prompts,
        serialiser: str,
        cache: CacheClient | None,
    ) -> None:
        self._session = session
        self._controller = controller
        self._commands = commands
        self._messages = messages
        self._users = users
        self._emit = emit
        self._estimator = estimator
        self._prompts = prompts
        self._serialiser = serialiser
        self._cache = cache
        self._folder: tempfile.TemporaryDirectory[str] | None = None  # made for the first file, as a daemon that is killed leaves it
        self._key = LoginKey()
        self._watched: dict[str, str] = {}
        self._completer = rlcompleter.Completer(controller.namespace)
        self._methods: Mapping[Command, Any] = {
            command: getattr(self, f"_{command.name.lower()}") for command in Command if hasattr(self, f"_{command.name.lower()}")
        }

    def banner(self) -> dict[str, Any]:
        """Return what a new client is told."""
        return {
            "daemon_version": f"testbeam {__version__}",
            "custom_version": "",
            "nicos_root": str(Path.cwd()),
            "custom_path": "",
            **self._key.banner,
            "protocol_version": PROTOCOL_VERSION,
            "serializer": self._serialiser,
        }

    def log_in(self, arguments: Any) -> User | str:
        """Return who logs in, or why nobody does; neither name nor reason tells which of the two is wrong."""
        given = arguments[0] if isinstance(arguments, list) and len(arguments) == 1 else None
        if not isinstance(given, dict) or not isinstance(given.get("login"), str) or not isinstance(given.get("passwd"), str):
            return "invalid credentials"
        user = self._users.log_in(given["login"], self._key.decrypted(given["passwd"]))
        return user or f"invalid username or password for {given['login']!r:.60}"

    def close(self) -> None:
        """Remove the files that clients have sent."""
        if self._folder is not None:
            self._folder.cleanup()

    def is_quick(self, command: Command) -> bool:
        """Tell whether a command is answered without waiting for anything."""
        return command not in _SLOW

    def left(self, client: Client) -> None:
        """Give back the control of one who has gone."""
        if client.user is not None and self._controller.controlling == client.user:
            self._controller.controlling = None

    def answer(self, client: Client, command: Command, arguments: list[Any]) -> tuple[bool, Any]:
        """Answer a command; see `server.Answers`."""
        method = self._methods.get(command)
        if method is None:
            return False, f"{command.name.lower()} is not supported by this daemon"
        try:
            inspect.signature(method).bind(client, *arguments)
        except TypeError as error:
            return False, f"invalid number of arguments for {command.name.lower()}: {error}"
        try:
            self._check(client, command)
            return True, method(client, *arguments)
        except (ControlError, TransportError) as error:
            return False, str(error)

    def _check(self, client: Client, command: Command) -> None:
        user, flow = _user(client), self._controller.flow
        if command in NEEDS_CONTROL:
            self._check_control(user)
        if command in NEEDS_SCRIPT and not flow.is_running:
            raise ControlError("no script is running now")

    def _check_control(self, user: User) -> None:
        holder = self._controller.controlling
        _check_may_run(user)
        if holder is None:
            self._take_control(user)
        elif holder.level > user.level and user.level < UserLevel.ADMIN:
            raise ControlError(f"you do not have control of the session; {holder.name} has")

    def _take_control(self, user: User) -> None:
        if self._controller.controlling != user:
            self._controller.controlling, self._controller.controlling_since_s = user, time.time()

    # Scripts

    def _start(self, client: Client, name: str, code: str) -> str:
        return self._submit(client, name, code, only_if_idle=True)

    def _queue(self, client: Client, name: str, code: str) -> str:
        return self._submit(client, name, code, only_if_idle=False)

    def _submit(self, client: Client, name: Any, code: Any, *, only_if_idle: bool) -> str:
        user = _user(client)
        _check_may_run(user)
        reqid = self._controller.submit(Request(_text(code), _script_name(name), user), only_if_idle=only_if_idle)
        self._take_control(user)
        return reqid

    def _unqueue(self, client: Client, reqid: str) -> None:
        self._check_control(_user(client))
        self._controller.block(None if reqid == "*" else [reqid])

    def _rearrange(self, client: Client, reqids: Any) -> None:
        self._check_control(_user(client))
        if not isinstance(reqids, list | tuple):
            raise ControlError("the ids are no list")
        self._controller.rearrange([str(one) for one in reqids])

    def _update(self, client: Client, code: str, reason: str, reqid: str | None = None) -> None:
        self._controller.update(reqid, _text(code), str(reason), _user(client))

    def _break(self, client: Client, level: Any) -> None:
        user = _user(client)
        self._controller.flow.request_break(_whole(level), user.name)
        self._messages.add("", MessageLevel.INFO, f"pause requested by {user.name}")

    def _continue(self, _client: Client) -> None:
        self._controller.flow.request_continue()

    def _stop(self, client: Client, level: Any) -> None:
        self._controller.stop(_whole(level), _user(client))

    def _emergency(self, client: Client) -> None:
        self._controller.emergency(_user(client))

    def _finish(self, client: Client) -> None:
        if self._controller.flow.status is ScriptStatus.STOPPING:
            raise ControlError("script is stopping")
        self._messages.add("", MessageLevel.INFO, f"early finish requested by {_user(client).name}")
        self._controller.flow.finish_early.set()
        self._session.woken.set()

    def _simulate(self, client: Client, name: str, code: str, uuid: str | None = None) -> None:
        _check_may_run(_user(client))
        name = _script_name(name)
        parsed(_text(code), name)  # an error of the text is a refusal
        run = DryRun(self._session, self._values(), uuid or "0", lambda message: self._emit(Event.SIMMESSAGE, message))
        self._emit(Event.SIMRESULT, run.run(code, name, self._controller.namespace))

    def estimate(self, request: Request) -> None:
        """Estimate the end of a script that begins, where a dry run of it does no harm."""
        if is_harmless(request.statements, self._commands.commands()):
            self._estimator.begin(lambda: self._seconds(request.text, request.name))

    def _seconds(self, code: str, name: str) -> float | None:
        try:
            run = DryRun(self._session, self._values(), "0", lambda _message: None, most_s=_MOST_ESTIMATE_S)
            return run.run(code, name, self._controller.namespace)[0]
        except ControlError:
            return None

    def _debug(self, client: Client, code: str | None = None) -> str | None:
        user = _user(client)
        _check_may_run(user)
        return self._controller.debug(Request(_text(code), "", user) if code else None)

    def _debuginput(self, _client: Client, line: str) -> None:
        self._controller.debug_input(str(line))

    # Looks

    def _exec(self, _client: Client, code: str) -> None:
        try:
            exec(compile(_text(code), "<exec>", "exec"), self._controller.namespace)  # noqa: S102 — a client's words, by the daemon's purpose
        except Exception as error:
            raise ControlError(f"{type(error).__name__}: {error}") from None

    def _eval(self, _client: Client, expression: str, stringify: Any = False) -> Any:
        try:
            value = eval(expression, self._controller.namespace)  # noqa: S307 — a client's words, by the daemon's purpose
            return repr(value) if stringify else value
        except Exception as error:  # whatever a user's expression does
            return f"<cannot be evaluated: {error}>" if stringify else error

    def _watch(self, _client: Client, expressions: Any) -> None:
        if not isinstance(expressions, list) or not all(isinstance(one, str) for one in expressions):
            raise ControlError("watch takes a list of expressions")
        self._watched |= {one if ":" in one else f"{one}:default": one.rpartition(":")[0] or one for one in expressions}
        self._emit(Event.WATCH, self._watch_values())

    def _unwatch(self, _client: Client, expressions: Any) -> None:
        if not isinstance(expressions, list) or not all(isinstance(one, str) for one in expressions):
            raise ControlError("unwatch takes a list of expressions")
        for one in expressions:
            for key in [
                key
                for key in self._watched
                if key == one or key == f"{one}:default" or (one.startswith("*") and key.endswith(one[1:] or ""))
            ]:
                del self._watched[key]
        self._emit(Event.WATCH, self._watch_values())

    def _watch_values(self) -> dict[str, str]:
        return {key: self._watch_value(expression) for key, expression in list(self._watched.items())}

    def _watch_value(self, expression: str) -> str:
        try:
            return repr(eval(expression, self._controller.namespace))  # noqa: S307
        except Exception as error:  # whatever a user's expression does
            return f"<{type(error).__name__}: {error}>"

    def _getversion(self, _client: Client) -> str:
        return f"testbeam {__version__}"

    def _keepalive(self, _client: Client) -> None:
        return None

    def _getstatus(self, _client: Client) -> dict[str, Any]:
        controller, current = self._controller, self._controller.current
        holder = controller.controlling
        return {
            "status": controller.status,
            "script": current.text if current is not None else "",
            "scriptname": current.name if current is not None else "",
            "eta": self._estimator.eta,
            "prompt": self._prompts.open,
            "watch": self._watch_values(),
            "requests": controller.requests,
            "mode": "master",
            "setups": (list(self._session.loaded_setups), list(self._session.explicit_setups)),
            "devices": list(self._session.devices),
            "devicefailures": dict(self._session.device_failures),
            "control": {"user": holder.name, "since": controller.controlling_since_s} if holder is not None else None,
        }

    def _getmessages(self, _client: Client, number: Any) -> Any:
        return list(self._messages.newest(None if number == "*" else _whole(number)))

    def _getscript(self, _client: Client) -> str:
        return self._controller.current.text if self._controller.current is not None else ""

    def _gethistory(self, _client: Client, key: str, begin: Any, end: Any, interval: Any = None) -> list[tuple[float, Any]]:
        if self._cache is None:
            return []
        found = self._cache.history(_text(key), _seconds(begin), _seconds(end), _seconds(interval) if interval else None)
        return [(one.time_s, one.value) for one in found]

    def _getcachekeys(self, _client: Client, query: str) -> list[tuple[str, Any]]:
        words = _text(query).split(",") if "," in _text(query) else [query]
        found = {key: value.value for word in words for key, value in self._values().items() if word.strip() in key}
        return list(found.items())

    def _gettrace(self, _client: Client) -> str:
        return self._controller.location()

    def _getdataset(self, _client: Client, index: Any) -> Any:
        scans = [scan.for_clients() for scan in self._commands.scanner.scans]
        if index == "*":
            return scans
        number = _whole(index)
        return scans[number] if -len(scans) <= number < len(scans) else None

    def _complete(self, _client: Client, line: str, word: str) -> list[str]:
        found: set[str] = set()
        for state in range(1000):
            match = self._completer.complete(_text(word), state)
            if match is None:
                break
            found.add(match.rstrip("("))
        if "Setup" in _text(line):
            found |= {name for name in self._session.setups if name.startswith(word.strip("'\""))}
        return sorted(one for one in found if not one.startswith("__"))

    # Connections

    def _eventmask(self, client: Client, events: Any) -> None:
        client.masked |= _events(events)

    def _eventunmask(self, client: Client, events: Any) -> None:
        client.masked -= _events(events)

    def _unlock(self, client: Client) -> None:
        if self._controller.controlling == client.user:
            self._controller.controlling = None

    def _quit(self, client: Client) -> None:
        self._unlock(client)

    def _transfer(self, client: Client, content: Any) -> str:
        """Keep a client's file, and return where; raise ControlError where it is too large or no file."""
        self._check_control(_user(client))
        try:
            data = base64.b64decode(content, validate=True)
        except (ValueError, TypeError):
            raise ControlError("the content is not base64") from None
        if len(data) > _MOST_TRANSFER_BYTES:
            raise ControlError(f"{len(data)} bytes are more than {_MOST_TRANSFER_BYTES}")
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="testbeam-daemon-")
        path = Path(self._folder.name) / f"transferred-{secrets.token_hex(6)}"
        path.write_bytes(data)
        return str(path)

    def _values(self) -> dict[str, CacheValue]:
        if self._cache is not None:
            return dict(self._cache.items())
        items = getattr(self._session.cache, "items", None)
        return dict(items()) if items is not None else {}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ControlError(f"{value!r:.60} is no text")
    return value


def _script_name(value: Any) -> str:
    """Return the name of a script as one that a file could have: tracebacks look for it."""
    return printable(str(value or ""), _MOST_NAME)


def _whole(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        raise ControlError(f"{value!r:.60} is no whole number") from None


def _seconds(value: Any) -> float:
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found):
        raise ControlError(f"{value!r:.60} is no time in seconds")
    return found


def _user(client: Client) -> User:
    if client.user is None:
        raise ControlError("log in first")
    return client.user


def _check_may_run(user: User) -> None:
    if user.level < UserLevel.USER:
        raise ControlError(f"{user.name} may look only")


def _events(names: Any) -> set[Event]:
    if not isinstance(names, list | tuple):
        raise ControlError("the events are no list of names")
    return {Event[str(name).upper()] for name in names if str(name).upper() in Event.__members__}
