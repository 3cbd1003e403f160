"""Conversation of a protocol with its device: a generator that asks for writes, reads and waits, and says at its end how it went.

It does no I/O and knows no clock: whoever runs it does what it asks for and sends back what came of it. Values come from a record and go
to a record through `Record`, which is a Protocol here.
Source: docs/reference/contracts/ioc.md, "How a protocol runs".
"""

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Protocol

from testbeam.errors import ConversionError
from testbeam.wire.streamdevice.coding import show
from testbeam.wire.streamdevice.formats import Element, Format, Value
from testbeam.wire.streamdevice.matching import Matcher, Scan, written
from testbeam.wire.streamdevice.program import Command, Connect, Disconnect, Execute, In, Out, Program, Wait


class Result(Enum):
    """How a protocol ended."""

    SUCCESS = "success"
    LOCK_TIMEOUT = "lock timeout"
    WRITE_TIMEOUT = "write timeout"
    REPLY_TIMEOUT = "reply timeout"
    READ_TIMEOUT = "read timeout"
    MISMATCH = "mismatch"
    FORMAT_ERROR = "format error"
    OFFLINE = "offline"
    FAULT = "fault"
    ABORTED = "aborted"


_HANDLERS = {
    Result.WRITE_TIMEOUT: "@writetimeout",
    Result.REPLY_TIMEOUT: "@replytimeout",
    Result.READ_TIMEOUT: "@readtimeout",
    Result.MISMATCH: "@mismatch",
}


class Mode(Enum):
    """Why a protocol runs."""

    NORMAL = "normal"
    INIT = "init"  # the handler @init in place of the commands; no other handler is run
    INTERRUPT = "I/O Intr"  # waits for ever in the first `in`, for input that may have been asked for by others


class Record(Protocol):
    """What a record is for its protocol."""

    @property
    def name(self) -> str:
        """Return the record's name, which begins each message."""

    def values(self, fmt: Format) -> Iterable[Value]:
        """Return what a format writes: one value, or those of an array.

        Raises:
            ConversionError: the record, or the field that is named, has no value of this type.
        """

    def accept(self, fmt: Format, scan: Scan) -> bool:
        """Take one value, or those of an array, from the scan and store them; tell whether that could be done."""

    def report(self, message: str) -> None:
        """Tell the user about a problem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """Asked for: the device for oneself. 0 ms: wait for ever."""

    ms: int


@dataclass(frozen=True, slots=True)
class Unlock:
    """Asked for: let others use the device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """Asked for: throw away what has arrived, then write; `own_terminator`: the port shall not add its own."""

    data: bytes
    ms: int
    own_terminator: bool
    answered: bool = True  # the protocol reads something afterwards


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """Asked for: one message. `terminator` None: the port's own."""

    reply_ms: int
    read_ms: int
    terminator: bytes | None
    max_input: int
    interrupt: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of a request; a message without its terminator in `data`."""

    result: Result = Result.SUCCESS
    data: bytes = b""


Request = Lock | Unlock | Write | Read | Wait | Execute | Connect | Disconnect | str
Talk = Generator[Request, Answer, Result]


class Conversation:
    """One run of a protocol for one record."""

    def __init__(self, program: Program, record: Record, mode: Mode = Mode.NORMAL) -> None:
        self.program = program
        self.record = record
        self.mode = mode
        self.output = b""
        self.input = b""
        self.received = False  # the record itself has been given a value
        self._locked = False
        self._answered = False
        self._interrupt = mode is Mode.INTERRUPT

    def run(self) -> Talk:
        """Run the protocol to its end, its error handler included."""
        commands = self.program.handlers.get("@init", ()) if self.mode is Mode.INIT else self.program.commands
        result = yield from self._commands(commands)
        handler = self.program.handlers.get(_HANDLERS.get(result, ""))
        if handler and self.mode is not Mode.INIT:
            yield from self._handle(result, handler)
        if self._locked:
            yield Unlock()
        return result

    def _handle(self, result: Result, handler: Sequence[Command]) -> Talk:
        """Run an error handler; one for a mismatch that begins with `in` looks at the rejected input again."""
        first = handler[0]
        if result is Result.MISMATCH and isinstance(first, In):
            if not self._match(first.elements, self.input):
                return Result.MISMATCH
            handler = handler[1:]
        return (yield from self._commands(handler))

    def _commands(self, commands: Sequence[Command]) -> Talk:
        for index, command in enumerate(commands):
            self._answered = any(isinstance(later, In) for later in commands[index + 1 :])
            result = yield from self._command(command)
            if result is not Result.SUCCESS:
                return result
        return Result.SUCCESS

    def _command(self, command: Command) -> Talk:
        if isinstance(command, Out):
            return (yield from self._out(command))
        if isinstance(command, In):
            return (yield from self._in(command))
        if isinstance(command, Execute):
            return (yield from self._execute(command))
        return (yield command).result

    def _out(self, command: Out) -> Talk:
        settings = self.program.settings
        if not self._format(command.elements):
            return Result.FORMAT_ERROR
        self.output += settings.out_terminator or b""
        if not self._locked:
            answer = yield Lock(ms=0 if self.mode is Mode.INIT else settings.lock_timeout_ms)
            if answer.result is not Result.SUCCESS:
                return answer.result
            self._locked = True
        self._interrupt = self._interrupt and not self._asked()
        own = settings.out_terminator is not None
        return (yield Write(data=self.output, ms=settings.write_timeout_ms, own_terminator=own, answered=self._answered)).result

    def _asked(self) -> bool:
        """Tell whether an input has come already, so that an answer to what is written now is waited for in the normal way."""
        return bool(self.input)

    def _execute(self, command: Execute) -> Talk:
        if not self._format(command.elements):
            return Result.FORMAT_ERROR
        yield from self._unlock()
        answer = yield self.output.decode("latin-1")
        return answer.result

    def _unlock(self) -> Talk:
        if self._locked:
            self._locked = False
            yield Unlock()
        return Result.SUCCESS

    def _in(self, command: In) -> Talk:
        if self._interrupt:
            return (yield from self._wait_for_input(command))
        if not self._locked and self.mode is not Mode.INTERRUPT:
            answer = yield Lock(ms=self.program.settings.lock_timeout_ms if self.mode is Mode.NORMAL else 0)
            if answer.result is not Result.SUCCESS:
                return answer.result
            self._locked = True
        answer = yield self._read()
        self.input = answer.data
        if answer.result is Result.REPLY_TIMEOUT:
            self.record.report(f'No reply within {self.program.settings.reply_timeout_ms} ms to "{show(self.output)}"')
        elif answer.result is Result.READ_TIMEOUT:
            self.record.report(_cut_short(answer.data))
        if answer.result not in (Result.SUCCESS, Result.READ_TIMEOUT):
            return answer.result
        matches = self._match(command.elements, answer.data, quiet=self._reparses())
        if answer.result is Result.READ_TIMEOUT:
            return Result.READ_TIMEOUT
        return Result.SUCCESS if matches else Result.MISMATCH

    def _wait_for_input(self, command: In) -> Talk:
        """Wait for ever for a message that matches; others are for somebody else."""
        yield from self._unlock()
        while True:
            answer = yield replace(self._read(), interrupt=True)
            if answer.result is not Result.SUCCESS:
                return answer.result
            self.input = answer.data
            if self._match(command.elements, answer.data, quiet=True):
                return Result.SUCCESS

    def _read(self) -> Read:
        settings = self.program.settings
        return Read(
            reply_ms=settings.reply_timeout_ms,
            read_ms=settings.read_timeout_ms,
            terminator=settings.in_terminator,
            max_input=settings.max_input,
        )

    def _reparses(self) -> bool:
        handler = self.program.handlers.get("@mismatch", ())
        return bool(handler) and isinstance(handler[0], In)

    def _format(self, elements: Sequence[Element]) -> bool:
        try:
            self.output = written(elements, self.record.values, self.program.settings.separator)
        except ConversionError as error:
            self.record.report(str(error))
            return False
        return True

    def _match(self, elements: Sequence[Element], line: bytes, *, quiet: bool = False) -> bool:
        matcher = Matcher(line, self.record, self.program.settings)
        problem = matcher.match(elements)
        self.received = self.received or matcher.received
        if problem and not quiet:
            self.record.report(problem)
        return not problem


def _cut_short(data: bytes) -> str:
    plural = "" if len(data) == 1 else "s"
    return f'Timeout after reading {len(data)} byte{plural} "{"..." if len(data) > 20 else ""}{show(data[-20:])}"'
