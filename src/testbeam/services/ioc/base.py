"""Functions of EPICS base, of QSRV 1 or 2 and their libraries that the IOC calls, over ctypes."""

import ctypes
from dataclasses import dataclass
from pathlib import Path

from testbeam.errors import StackError
from testbeam.services.ioc import broadcast_warning, initial_sleep, server_addresses
from testbeam.services.ioc.c_environment import set_variable
from testbeam.services.ioc.databases import Database
from testbeam.transport.epics_libraries import folder

_CORE = ("libCom", "libca", "libdbCore", "libdbRecStd")
_DOLLAR = "IOC_DOLLAR_SIGN"  # the variable that stands for one
_LINE_BUFFERED = 1  # _IOLBF of glibc and musl


@dataclass(frozen=True, slots=True)
class Qsrv:
    """A generation of the PVA server for records: wheel, libraries in the order of their needs, definitions."""

    wheel: str
    libraries: tuple[str, ...]
    definitions: tuple[str, ...]


QSRV = {
    1: Qsrv("epicscorelibs", ("libpvData", "libpvAccess", "libpvAccessIOC", "libqsrv"), ("PVAServerRegister.dbd", "qsrv.dbd")),
    2: Qsrv("pvxslibs", ("libevent_core", "libevent_pthread", "libpvxs", "libpvxsIoc"), ("pvxsIoc.dbd",)),
}


@dataclass(frozen=True, slots=True)
class Base:
    """EPICS base in this process; there can be one only, and it reads the environment while it is loaded and at `init`."""

    _com: ctypes.CDLL
    _db: ctypes.CDLL

    @classmethod
    def load(cls, qsrv: int = 2, address: str = "127.0.0.1") -> "Base":
        """Load the libraries and the record types; `qsrv` is a key of QSRV, `address` that of its server.

        Raises:
            StackError: the wheels are missing or a definition can't be loaded.
        """
        _buffer_stdout_by_line()
        core, server = folder("epicscorelibs"), QSRV[qsrv]
        libraries = {name: _library(core / "lib" / f"{name}.so") for name in _CORE}
        libraries |= {name: _library(folder(server.wheel) / "lib" / f"{name}.so") for name in server.libraries}
        if "libpvAccess" in libraries and not server_addresses.lead(libraries["libpvAccess"], address):
            raise StackError("QSRV 1 can't be kept at a loopback address with these libraries of EPICS base; take --qsrv 2")
        base = cls(libraries["libCom"], libraries["libdbCore"])
        base._declare()
        base._define("base.dbd", core / "dbd")
        for name in server.definitions:
            base._define(name, folder(server.wheel) / "dbd")
        _expect_ok(base._db.registerAllRecordDeviceDrivers(ctypes.c_void_p.in_dll(base._db, "pdbbase")), "record and device support")
        return base

    def _declare(self) -> None:
        text = ctypes.c_char_p
        self._db.dbLoadDatabase.argtypes = [text, text, text]
        self._db.dbLoadRecords.argtypes = [text, text]
        self._db.registerAllRecordDeviceDrivers.argtypes = [ctypes.c_void_p]
        self._com.iocshCmd.argtypes = [text]
        self._com.epicsExitCallAtExits.restype = None
        self._com.errlogFlush.restype = None
        self._db.iocshRegisterCommon.restype = None
        self._db.iocshRegisterCommon()

    @property
    def com(self) -> ctypes.CDLL:
        """Return libCom."""
        return self._com

    @property
    def core(self) -> ctypes.CDLL:
        """Return libdbCore."""
        return self._db

    def define(self, path: str) -> None:
        """Load the definitions in a file.

        Raises:
            StackError: base refused them.
        """
        _expect_ok(self._db.dbLoadDatabase(path.encode(), None, None), path)

    def _define(self, name: str, path: Path) -> None:
        _expect_ok(self._db.dbLoadDatabase(name.encode(), str(path).encode(), None), name)

    def load_records(self, database: Database) -> bool:
        """Load one database; tell whether base took it. What was wrong is on standard error by then."""
        set_variable(_DOLLAR, "$")
        path = str(database.path).replace("$", f"${{{_DOLLAR}}}")  # base puts variables of the environment into names of files
        status = self._db.dbLoadRecords(path.encode(), database.substitutions.encode())
        self._com.errlogFlush()
        return bool(status == 0)

    def init(self, *, skip_sleep: bool) -> bool:
        """Start the IOC; `skip_sleep` spares `iocInit` its 0.5 s. Return whether it was spared.

        Raises:
            StackError: base refused.
        """
        skipped = skip_sleep and initial_sleep.skip(self._com, self._db)
        broadcast_warning.leave_out(self._com)
        _expect_ok(self._db.iocInit(), "iocInit")
        self._com.errlogFlush()
        return skipped

    def write_record_names(self, file: Path) -> None:
        """Write the names of all records that are loaded by now to `file`, one a line.

        Raises:
            StackError: the file can't be written.
        """
        _expect_ok(self._com.iocshCmd(f'dbl > "{file}"'.encode()), f"the list of records for {file}")

    def exit(self) -> None:
        """Stop servers and scans in base's own order."""
        self._com.epicsExitCallAtExits()


def _buffer_stdout_by_line() -> None:
    """Have the C library write its standard output line by line, so that base's lines and ours keep their order in a file or pipe."""
    libc = ctypes.CDLL(None)
    libc.setvbuf(ctypes.c_void_p.in_dll(libc, "stdout"), None, _LINE_BUFFERED, ctypes.c_size_t(0))


def _library(path: Path) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)  # later ones find the symbols of earlier ones
    except OSError as error:
        raise StackError(f"{path} can't be loaded: {error}; reinstall testbeam[ioc]") from error


def _expect_ok(status: int, step: str) -> None:
    if status != 0:
        raise StackError(f"EPICS base did not accept {step} (status {status}); what it said is above in this log")
