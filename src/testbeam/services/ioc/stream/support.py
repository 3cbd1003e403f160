"""Device support `stream` made known to EPICS base: its entry tables, its records, ports and protocol files.

Base calls the tables' functions from its own threads; an exception in one ends there, with an alarm and a line on the console.
Source: docs/reference/contracts/ioc.md; devSup.h of EPICS base 7.0.10.
"""

import ctypes
import fnmatch
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from testbeam.errors import ConversionError, StackError
from testbeam.services.ioc.c_environment import variable
from testbeam.services.ioc.stream import connections
from testbeam.services.ioc.stream.connections import Neighbourhood
from testbeam.services.ioc.stream.core_library import ERROR, INIT, INTERRUPT_INFO, RECORD, Core, SupportTable
from testbeam.services.ioc.stream.fields import find
from testbeam.services.ioc.stream.port import Port
from testbeam.services.ioc.stream.record import NO_DEVICE, UDF_ALARM, Errors, StreamRecord
from testbeam.services.ioc.stream.record_types import TYPES, RecordType
from testbeam.services.ioc.stream.transcript import Transcript
from testbeam.wire.streamdevice import Program, ProtocolFile, compile_protocol, parse_file, parse_link

log = logging.getLogger("ioc")

DTYP = "stream"
_kept: list[Any] = []  # tables and callbacks that C code has bare pointers to, until the process ends


class Support:
    """All records with device support `stream`, and what they use.

    around: what ports may lead to. folders: where protocol files are looked for after those of STREAM_PROTOCOL_PATH.
    """

    def __init__(
        self,
        core: Core,
        execute: Callable[[str], bool],
        *,
        transcript: Transcript,
        around: Neighbourhood,
    ) -> None:
        self.ports: dict[str, Port] = {}
        self.records: dict[int, StreamRecord] = {}
        self.errors = Errors()
        self.folders: list[Path] = []
        self.find_file: Callable[[str], Path | None] = lambda _: None  # where else in its tree a file may be
        self._core = core
        self._execute = execute
        self._transcript = transcript
        self._around = around
        self._files: dict[str, ProtocolFile] = {}
        self._log_file: logging.FileHandler | None = None
        self._runs = 0

    def register(self) -> str:
        """Register the entry tables; return the definitions that base must load for them."""
        lines = []
        for kind in TYPES.values():
            name = f"dev{kind.name}Stream"
            key, table = name.encode(), self._table(kind)
            _kept.extend((key, table))
            if not self._core.register_support(key, table):
                raise StackError(f"EPICS base did not accept device support {name}")
            lines.append(f'device({kind.name}, INST_IO, {name}, "{DTYP}")\n')
        return "".join(lines)

    def _table(self, kind: RecordType) -> SupportTable:
        def init_record(record: int) -> int:
            return self._guarded(record, lambda: self._record(record, kind).initialise(), NO_DEVICE)

        def transfer(record: int) -> int:
            return self._guarded(record, lambda: self.records[record].process(), ERROR)

        def interrupt_info(command: int, record: int, source: Any) -> int:
            return self._guarded(record, lambda: self._interrupt(command, record, source), ERROR)

        def nothing(_: int) -> int:
            return 0

        return SupportTable(
            kind.functions, INIT(nothing), INIT(nothing), RECORD(init_record), INTERRUPT_INFO(interrupt_info), RECORD(transfer), None
        )

    def _guarded(self, record: int, work: Callable[[], int], on_error: int) -> int:
        """Do what base asks for; an error of ours becomes an alarm of the record and a line on the console."""
        try:
            return work()
        except Exception:  # it can't pass through base's C
            name = ctypes.string_at(record).decode("latin-1")
            log.exception("%s: error in device support", name)
            self._core.alarm(record, UDF_ALARM)
            return on_error

    def _record(self, record: int, kind: RecordType) -> StreamRecord:
        if record not in self.records:
            self.records[record] = StreamRecord(self._core, record, kind, self.prepare, self.errors)
        return self.records[record]

    def _interrupt(self, command: int, record: int, source: Any) -> int:
        known = self.records[record]
        source[0] = known.interrupt.value
        known.scan_changed(to_interrupt=command == 0)
        return 0

    # --- protocols ---

    def prepare(self, name: str, text: str) -> tuple[Program, Port]:
        """Return protocol and port of a record's link.

        Raises:
            ConversionError: the link lacks something.
            ProtocolError: the protocol is wrong.
            StackError: there is no such port or file.
        """
        link = parse_link(text)
        if link.port not in self.ports:
            known = ", ".join(sorted(self.ports)) or "none: drvAsynIPPortConfigure or drvAsynSerialPortConfigure makes one"
            raise StackError(f"there is no port {link.port!r}; ports are {known}")
        file = self.protocol_file(link.file)
        program = compile_protocol(file, link.protocol, link.arguments, lambda field: find(self._core, name, field))
        return program, self.ports[link.port]

    def protocol_file(self, name: str) -> ProtocolFile:
        """Return a protocol file, read once.

        Raises:
            StackError: it is in none of the folders.
            ProtocolError: it breaks the grammar.
        """
        if name not in self._files:
            path = next((path for folder in self._search() if (path := folder / name).is_file()), None) or self.find_file(name)
            if path is None:
                searched = ":".join(str(folder) for folder in self._search())
                raise StackError(f"there is no protocol file {name!r} in {searched}; set STREAM_PROTOCOL_PATH (epicsEnvSet)")
            self._files[name] = parse_file(str(path), path.read_bytes())
        return self._files[name]

    def _search(self) -> list[Path]:
        path = variable("STREAM_PROTOCOL_PATH")
        folders = [Path(part or ".") for part in path.replace(";", ":").split(":")] if path else [Path()]
        return [*folders, *(folder for folder in self.folders if folder not in folders)]

    # --- ports ---

    def add_internet_port(self, name: str, spec: str, *, auto_connect: bool) -> None:
        """Make a port of TCP or UDP.

        Raises:
            ConversionError: the name is taken, or the text names no host and port.
        """
        self._add(name, connections.internet(spec, self._around), auto_connect=auto_connect)

    def add_serial_port(self, name: str, path: str, *, auto_connect: bool) -> None:
        """Make a port of a serial line.

        Raises:
            ConversionError: the name is taken.
        """
        self._add(name, connections.serial(path, self._around), auto_connect=auto_connect)

    def _add(self, name: str, connection: connections.Connection, *, auto_connect: bool) -> None:
        if name in self.ports:
            raise ConversionError(f"port {name!r} exists already; it leads to {self.ports[name].connection.target}")
        port = Port(name, connection, self._transcript, self._execute)
        port.options.auto_connect = auto_connect
        port.on_connect.append(lambda: self._reconnected(port))
        self.ports[name] = port
        port.start()

    def _reconnected(self, port: Port) -> None:
        if self._core.running:
            self.reinitialise(port.name)

    # --- the IOC's life ---

    def hook(self, state: str) -> None:
        """Follow the IOC through its start, its pauses and its new starts."""
        if state == "initHookAtIocRun":
            self._runs += 1
            if self._runs > 1:
                self.reinitialise()
        elif state == "initHookAfterIocRunning":
            for record in self._listening():
                record.listen()
        elif state == "initHookAtIocPause":
            for record in self._listening():
                record.abort()

    def _listening(self) -> list[StreamRecord]:
        return [record for record in self.records.values() if record.listens()]

    def reinitialise(self, port: str = "") -> None:
        """Run @init of all records, or of those of one port."""
        for record in tuple(self.records.values()):
            if record.port is not None and port in ("", record.port.name):
                record.reinitialise()

    def reload(self, pattern: str = "*") -> None:
        """Read the protocol files again and initialise the records whose names match."""
        self._files.clear()
        for record in tuple(self.records.values()):
            if fnmatch.fnmatchcase(record.name, pattern or "*"):
                record.reload()

    def report(self, pattern: str = "*") -> list[str]:
        """Return a line for each record whose name matches."""
        return [f"{record.name}: {record.link}" for record in self.records.values() if fnmatch.fnmatchcase(record.name, pattern or "*")]

    def log_to(self, file: str) -> None:
        """Write messages of this IOC to a file as well; an empty name ends that.

        Raises:
            StackError: it can't be written.
        """
        if self._log_file is not None:
            log.removeHandler(self._log_file)
            self._log_file.close()
            self._log_file = None
        if file:
            try:
                self._log_file = logging.FileHandler(file)
            except OSError as error:
                raise StackError(f"log file {file}: {error.strerror}") from error
            log.addHandler(self._log_file)

    def close(self) -> None:
        """End ports and their threads."""
        for record in self.records.values():
            record.give_up()
        for port in self.ports.values():
            port.close()
        self._transcript.close()
        self.log_to("")
