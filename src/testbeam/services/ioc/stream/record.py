"""One record with device support `stream`: its link, its protocol, and its alarms.

Source: docs/reference/contracts/ioc.md, "Alarms", "How a protocol runs".
"""

import ctypes
import logging
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from testbeam.errors import ConversionError, TestbeamError
from testbeam.services.ioc.stream.core_library import ALARM, DO_NOT_CONVERT, ERROR, INSTRUMENT_LINK, LOG, OK, VALUE, Core, Link
from testbeam.services.ioc.stream.fields import Fields, accept_field, field_values
from testbeam.services.ioc.stream.port import Port, Task
from testbeam.services.ioc.stream.record_types import RecordType
from testbeam.wire.streamdevice import Program
from testbeam.wire.streamdevice.conversation import Conversation, Mode, Result
from testbeam.wire.streamdevice.formats import Format, Value
from testbeam.wire.streamdevice.matching import Scan

log = logging.getLogger("ioc")

READ_ALARM, WRITE_ALARM, COMM_ALARM, TIMEOUT_ALARM, CALC_ALARM, UDF_ALARM = 1, 2, 9, 10, 12, 17
NO_ALARM = 0
BAD_INIT, NO_DEVICE = (503 << 16) | 11, (503 << 16) | 23  # S_dev_badInitRet, S_dev_noDeviceFound
_NEXT_PASS = 2  # aai and aao: initialise again once there is memory for the array
_IO_INTR = 2  # of the menu of SCAN
_REINITIALISE = 2  # written to PROC

ALARMS = {
    Result.SUCCESS: NO_ALARM,
    Result.LOCK_TIMEOUT: TIMEOUT_ALARM,
    Result.REPLY_TIMEOUT: TIMEOUT_ALARM,
    Result.WRITE_TIMEOUT: WRITE_ALARM,
    Result.READ_TIMEOUT: READ_ALARM,
    Result.MISMATCH: CALC_ALARM,
    Result.FORMAT_ERROR: CALC_ALARM,
    Result.OFFLINE: COMM_ALARM,
    Result.FAULT: UDF_ALARM,
    Result.ABORTED: UDF_ALARM,
}

Prepare = Callable[[str, str], tuple[Program, Port]]


class Errors:
    """How errors are told: none without `streamError`, equal ones not more often than `streamErrorDeadTime` says."""

    def __init__(self) -> None:
        self.on = ctypes.c_int(1)
        self.dead_time_s = ctypes.c_int(0)

    def due(self, message: str, last: tuple[str, float] | None) -> bool:
        """Tell whether a message is to be printed after the record's last one."""
        if not self.on.value:
            return False
        return last is None or last[0] != message or time.monotonic() - last[1] >= self.dead_time_s.value


class StreamRecord:
    """A record and its protocol; its methods are called by base's threads and by the thread of its port."""

    def __init__(self, core: Core, record: int, kind: RecordType, prepare: Prepare, errors: Errors) -> None:
        self.fields = Fields(core, record)
        self.kind = kind
        self.program: Program | None = None
        self.port: Port | None = None
        self.alarm: int | None = None  # None: not initialised
        self.interrupt = core.new_interrupt_source()
        self._core = core
        self._record = record
        self._prepare = prepare
        self._errors = errors
        self._convert = OK
        self._conversation: Conversation | None = None
        self._task: Task | None = None
        self._done = threading.Event()
        self._waited_for = False  # by init_record
        self._last_message: tuple[str, float] | None = None
        self._repeated = 0
        self._support = ctypes.c_void_p.from_address(self.fields.address("RSET").field).value or 0

    @property
    def name(self) -> str:
        """Return the record's name."""
        return self.fields.name

    @property
    def link(self) -> str:
        """Return the text of the link, without its @."""
        link = Link.from_address(self.fields.address(self.kind.link).field)
        return (link.text or b"").decode("latin-1") if link.type == INSTRUMENT_LINK else ""

    # --- called by base ---

    def initialise(self) -> int:
        """Find protocol and port, run @init; return what init_record returns."""
        if self.kind.name in ("aai", "aao") and not self.fields["BPTR"]:
            return _NEXT_PASS
        self.abort()
        try:
            self.program, self.port = self._prepare(self.name, self.link)
        except TestbeamError as error:
            self.tell(f"{self.name}.{self.kind.link}: {error}")
            return BAD_INIT
        self.alarm = NO_ALARM
        self._shift_mask()
        if "@init" not in self.program.handlers:
            return DO_NOT_CONVERT if self.kind.keeps_value else OK
        return self._run_init()

    def _shift_mask(self) -> None:
        if self.kind.name.startswith("mbb"):
            self.fields["MASK"] = self.fields["MASK"] << self.fields["SHFT"] & 0xFFFFFFFF

    def _run_init(self) -> int:
        self._done.clear()
        self._waited_for = True
        if self._start(Mode.INIT):
            self._done.wait()
        self._waited_for = False
        if self.alarm != NO_ALARM:
            self.tell(f"{self.name}: @init handler failed")
            return ERROR if self.kind.keeps_value else OK
        return self._convert if self.kind.keeps_value else OK

    def process(self) -> int:
        """Start the protocol, or end the processing once it has run; return what `read` and `write` of device support return."""
        fields = self.fields
        if self.alarm is None:
            self._core.alarm(self._record, UDF_ALARM)
            return ERROR
        if fields["PACT"] or fields["SCAN"] == _IO_INTR:
            fields["PROC"] = 0
            if self.alarm != NO_ALARM:
                self._core.alarm(self._record, self.alarm)
                return ERROR
            return self._convert
        self.alarm, self._convert = NO_ALARM, OK
        if not self._start(Mode.INIT if fields["PROC"] == _REINITIALISE else Mode.NORMAL):
            self._core.alarm(self._record, self.alarm or UDF_ALARM)
            fields["PROC"] = 0
            return ERROR
        return self._convert

    def scan_changed(self, *, to_interrupt: bool) -> None:
        """Begin or end to wait for I/O Intr."""
        if not to_interrupt:
            self.abort()
        elif self._core.running:
            self.listen()

    def listen(self, left: bytearray | None = None) -> None:
        """Begin to wait for I/O Intr; `left` is input that an earlier run has not used."""
        if self.alarm is not None and not self._start(Mode.INTERRUPT, left):
            self.tell(f'{self.name}: Can\'t start "I/O Intr" protocol')

    def listens(self) -> bool:
        """Tell whether the record is scanned by I/O Intr."""
        return bool(self.fields["SCAN"] == _IO_INTR)

    def abort(self) -> None:
        """End what runs; the record is not processed."""
        task, self._task = self._task, None
        if task is not None and self.port is not None:
            self.port.withdraw(task)

    def reinitialise(self) -> None:
        """Run @init again, without processing the record; if it is busy its value is about to change anyway."""
        if self.program is not None and "@init" in self.program.handlers and self._task is None and not self.fields["PACT"]:
            self._start(Mode.INIT)

    def reload(self) -> None:
        """Take protocol and port anew, and run @init; what runs meanwhile ends as aborted."""
        task, self._task = self._task, None
        if task is not None and self.port is not None:
            self.port.withdraw(task)
        try:
            self.program, self.port = self._prepare(self.name, self.link)
        except TestbeamError as error:
            self.tell(f"{self.name}.{self.kind.link}: {error}")
            self.alarm = None
        else:
            self.alarm = NO_ALARM
        self._end_reload(task)

    def _end_reload(self, task: Task | None) -> None:
        if task is not None and self.fields["PACT"]:
            self.alarm = UDF_ALARM if self.alarm is not None else None
            self._core.process(self._record, self._support)
        if self.listens():
            self.listen()
        else:
            self.reinitialise()

    def _start(self, mode: Mode, left: bytearray | None = None) -> bool:
        """Begin a protocol; tell whether it goes on in the thread of the port."""
        assert self.program is not None
        assert self.port is not None
        commands = self.program.handlers.get("@init", ()) if mode is Mode.INIT else self.program.commands
        if not commands:
            self.alarm = UDF_ALARM
            return False
        self._conversation = Conversation(self.program, self, mode)
        task = Task(owner=self, talk=self._conversation.run(), priority=self.fields["PRIO"], buffer=left or bytearray())
        try:
            task.request = next(task.talk)
        except StopIteration as end:
            self.alarm = ALARMS[end.value]
            return False
        except Exception:  # it is the record's alone: the IOC goes on
            log.exception("%s: error in its protocol", self.name)
            self.alarm = UDF_ALARM
            return False
        self._task = task
        if mode is Mode.NORMAL or self.fields["PROC"] == _REINITIALISE:
            self.fields["PACT"] = 1
        self.port.submit(task)
        return True

    # --- called by the port's thread ---

    def finish(self, task: Task, result: Result) -> None:
        """Set the alarm and process the record, or end its initialisation."""
        if task is not self._task:
            return  # aborted meanwhile
        self._task = None
        self.alarm = ALARMS[result]
        if result is Result.SUCCESS:
            self._repeated = 0
        conversation = self._conversation
        assert conversation is not None
        if result is Result.SUCCESS and conversation.received:
            self.fields["UDF"] = 0
        if conversation.mode is Mode.INIT and not self.fields["PACT"]:
            self._initialised(result, received=conversation.received)
        else:
            self._core.process(self._record, self._support)
            if conversation.mode is Mode.INTERRUPT and self.listens() and self._task is None:
                self.listen(task.buffer)

    def _initialised(self, result: Result, *, received: bool) -> None:
        if result is Result.SUCCESS and received:
            self.fields["SEVR"] = self.fields["STAT"] = 0
            if not self._waited_for:
                self._post()
        elif self._waited_for and result is not Result.SUCCESS:
            self.fields["STAT"] = self.alarm or UDF_ALARM
        self._done.set()

    def _post(self) -> None:
        """Tell clients of a value that came without processing."""
        self._core.reset_alarms(self._record)
        for field in self.kind.posted:
            with suppress(ConversionError):
                self._core.post(self._record, self.fields.address(field).field, VALUE | LOG | ALARM)

    def values(self, fmt: Format) -> Iterable[Value]:
        """Return what a format writes."""
        if fmt.field is not None:
            return field_values(self._core, fmt, self._record)
        return self.kind.write(self.fields, fmt.converter.type)

    def accept(self, fmt: Format, scan: Scan) -> bool:
        """Store what a format finds."""
        if fmt.field is not None:
            initialising = self._conversation is not None and self._conversation.mode is Mode.INIT
            return accept_field(self._core, fmt, scan, own=self._record, initialising=initialising)
        converted = self.kind.read(self.fields, fmt.converter.type, scan)
        if converted is None:
            return False
        self._convert = converted
        return True

    def report(self, message: str) -> None:
        """Tell the user about a problem; equal ones are counted, as the variable streamErrorDeadTime says."""
        if not self._errors.due(message, self._last_message):
            self._repeated += 1
            return
        if self._repeated:
            self.tell(f"{self.name}: {self._repeated} additional errors of the following type")
            self._repeated = 0
        self._last_message = (message, time.monotonic())
        self.tell(f"{self.name}: {message}")

    def tell(self, message: str) -> None:
        """Write a line to the console."""
        log.error("%s", message)

    def give_up(self) -> None:
        """Let whoever waits for @init go on: the IOC stops."""
        self._done.set()
