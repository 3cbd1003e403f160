"""The IOC from its start to its end."""

import faulthandler
import json
import logging
import os
import re
import threading
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from testbeam.errors import SettingsError, StackError
from testbeam.services.ioc import complaints, databases, sockets
from testbeam.services.ioc.base import QSRV, Base
from testbeam.services.ioc.capture import captured_stderr
from testbeam.services.ioc.counting import counting_records
from testbeam.services.ioc.databases import Database
from testbeam.services.ioc.settings import IocSettings
from testbeam.services.ioc.startup import Report, StartUp
from testbeam.transport.epics_environment import PVA_PORT, client_environment, server_environment
from testbeam.transport.epics_libraries import folder
from testbeam.transport.loopback import keep_on_loopback
from testbeam.transport.pva.search_answerer import SearchAnswerer

if TYPE_CHECKING:
    from testbeam.services.ioc.autosave import Autosave
    from testbeam.services.ioc.commands import Shell
    from testbeam.services.ioc.stream.support import Support

log = logging.getLogger("ioc")

SLEEP_SKIPPED = "iocInit's sleep of 0.5 s is spared"

_STREAM = re.compile(rb"DTYP\W{1,5}stream\b")
_LOOK_S = 2.0


@dataclass(frozen=True, slots=True)
class StreamSupport:
    """What an IOC with a start-up file or with devices has besides."""

    shell: "Shell"
    stream: "Support"
    autosave: "Autosave"


def serve(settings: IocSettings, stop: threading.Event) -> None:
    """Serve the records of database files over Channel Access and PV Access until told to stop."""
    faulthandler.enable(os.dup(2))  # base is C: an address fault in it shall name the step; standard error itself may be captured then
    loadable = checked(settings)
    settings = absolute(settings)  # a start-up file changes the working folder
    settings.records_file.unlink(missing_ok=True)  # what an earlier run left must not pass for this one's
    isolate(settings)
    base = Base.load(settings.qsrv, settings.address)
    with ExitStack() as owned:
        owned.callback(base.exit)  # also after an error: Python can't end in order while base's threads run
        start(base, loadable, settings, owned)
        answer_searches(settings, owned)
        log.info("serving CA on %s:%d and PVA on %s:%d", settings.address, settings.ca_port, settings.address, settings.pva_port)
        while not stop.wait(_LOOK_S):
            keep_on_loopback()  # links to other IOCs open sockets when they first look for them


def answer_searches(settings: IocSettings, owned: ExitStack) -> None:
    """Let clients find the server by `EPICS_PVA_ADDR_LIST`, too."""
    try:
        answerer = SearchAnswerer(settings.address, settings.pva_port, settings.pva_broadcast_port)
    except OSError as error:
        where = f"{settings.address}:{settings.pva_broadcast_port}"
        log.warning(
            "UDP port %s is held by another process (%s): clients find this IOC by EPICS_PVA_NAME_SERVERS only", where, error.strerror
        )
    else:
        owned.callback(answerer.close)


def absolute(settings: IocSettings) -> IocSettings:
    """Return the settings with every path made independent of the working folder."""
    paths = ("st_cmd", "wire_log", "shell_socket", "start_report", "records_file")
    return replace(settings, **{name: path.absolute() for name in paths if (path := getattr(settings, name)) is not None})


def checked(settings: IocSettings) -> tuple[Database, ...]:
    """Find what is wrong with the settings before base is loaded; return the databases.

    Raises:
        SettingsError: an option can't be used.
        StackError: a database has unbalanced brackets or quotes.
        PortTaken: another process has a port at the address.
    """
    for option, address in (("--address", settings.address), *(("--peer", peer) for peer in settings.peer)):
        for one in address.split(","):
            sockets.check_loopback(option, one.partition(":")[0])
    if settings.qsrv not in QSRV:
        raise SettingsError("--qsrv", str(settings.qsrv), "1 or 2")
    if not settings.records_file.absolute().parent.is_dir():
        raise SettingsError("--records-file", str(settings.records_file), "a file in a folder that exists")
    if settings.st_cmd is not None and not settings.st_cmd.is_file():
        raise SettingsError("--st-cmd", str(settings.st_cmd), "a start-up file that exists")
    files = settings.db or (() if settings.st_cmd is not None else (str(databases.DEMO),))
    loadable = databases.parse(files, settings.macro)
    if settings.counting > 0:
        loadable += databases.parse((_counting_file(settings),), settings.macro)
    for database in loadable:
        databases.check(database)
    sockets.check_free(settings.address, (settings.ca_port, settings.pva_port), (settings.ca_port,))
    return loadable


def start(base: Base, loadable: tuple[Database, ...], settings: IocSettings, owned: ExitStack) -> None:
    """Bring EPICS base up with these databases on the address that the settings name.

    Raises:
        StackError: base refuses a database, or the start-up file can't be run.
        SettingsError: there is no record in any of them.
        PortTaken: another process was faster to take a port.
    """
    support = _stream_support(base, settings, owned) if needs_stream(settings, loadable) else None
    for database in loadable:
        load_records(base, database)
    if settings.st_cmd is not None and support is not None:
        _run_script(base, settings, settings.st_cmd, support)
    else:
        initialise(base, settings)
    _partial(settings).replace(settings.records_file)  # whoever waits for the file finds an IOC that serves all that is in it


def _run_script(base: Base, settings: IocSettings, script: Path, support: "StreamSupport") -> None:
    def begin() -> None:
        support.autosave.restore()
        initialise(base, settings)

    start_up = StartUp(script, support.shell, lambda database: load_records(base, database), begin, record_types())
    support.stream.find_file = start_up.project.find
    try:
        start_up.run()
    finally:
        write_report(settings, start_up.report)


def initialise(base: Base, settings: IocSettings) -> None:
    """Write the names of all records and let base run them.

    Raises:
        StackError: base refused.
        SettingsError: there is no record.
        PortTaken: another process was faster to take a port.
    """
    names = _partial(settings)
    base.write_record_names(names)
    if not names.read_bytes().strip():
        files = ", ".join(settings.db) or str(settings.st_cmd)
        raise SettingsError("--db", files, "at least one database that holds a record")
    if base.init(skip_sleep=settings.skip_init_sleep):
        log.info(SLEEP_SKIPPED)
    refused = keep_on_loopback()
    if refused:
        log.warning("the kernel lets these sockets face other machines: %s", ", ".join(refused))
    sockets.check_held(settings.address, (settings.ca_port, settings.pva_port))


def _partial(settings: IocSettings) -> Path:
    return settings.records_file.with_name(f"{settings.records_file.name}.partial")


def needs_stream(settings: IocSettings, loadable: tuple[Database, ...]) -> bool:
    """Tell whether device support `stream` and the shell are needed: they cost some time to load."""
    if settings.st_cmd is not None or settings.port or settings.shell_socket is not None:
        return True
    return any(_STREAM.search(database.path.read_bytes()) for database in loadable)


def _stream_support(base: Base, settings: IocSettings, owned: ExitStack) -> "StreamSupport":
    from testbeam.services.ioc import streaming  # late: an IOC without devices starts sooner
    from testbeam.services.ioc.commands import Shell
    from testbeam.services.ioc.shell_socket import ShellSocket

    shell = Shell(base.com)
    support = streaming.make(base, shell, settings)
    owned.callback(support.close)
    autosave = streaming.make_autosave(base, shell, owned)
    if settings.shell_socket is not None:
        owned.callback(ShellSocket(settings.shell_socket, shell).close)
    return StreamSupport(shell, support, autosave)


def record_types() -> frozenset[str]:
    """Return the record types that base defines."""
    return frozenset(path.name.removesuffix("Record.dbd") for path in (folder("epicscorelibs") / "dbd").glob("*Record.dbd"))


def write_report(settings: IocSettings, report: Report) -> None:
    """Write what was not done to the file that is asked for."""
    if settings.start_report is not None:
        settings.start_report.write_text(json.dumps([asdict(note) for note in report.notes], indent=1))


def isolate(settings: IocSettings) -> None:
    """Set the EPICS variables of this process, whatever it has inherited; must come before base is loaded."""
    address, ca, pva = settings.address, settings.ca_port, settings.pva_port
    peers = [peer.partition(",") for peer in settings.peer]
    over_ca = [f"{address}:{ca}", *(first for first, _, _ in peers)]
    over_pva = [f"{address}:{pva}", *(second or f"{first.partition(':')[0]}:{PVA_PORT}" for first, _, second in peers)]
    os.environ.update(client_environment(over_ca, over_pva))
    os.environ.update(server_environment(address, ca, pva, settings.pva_broadcast_port))
    if settings.qsrv == 1:
        os.environ["EPICS_PVAS_INTF_ADDR_LIST"] = "127.0.0.1"  # to that server a private address is none; see server_addresses
    os.environ["EPICS_PVA_BROADCAST_PORT"] = str(
        settings.pva_broadcast_port
    )  # the client within, of links: it aborts where it can't bind it
    os.environ.setdefault("PVXS_LOG", "pvxs.tcp.io=CRIT")  # a client that goes away with data in flight is no error


def load_records(base: Base, database: Database) -> None:
    """Load one database.

    Raises:
        StackError: base found something wrong with it; it names file, line and problem, with a mark under the place.
    """
    log.info("loading %s with macros %s", database.path, database.substitutions or "none")
    with captured_stderr() as output:
        accepted = base.load_records(database)
    complaint = complaints.find(output.text, database.path)
    if complaint is not None:
        raise StackError(f"{complaint} (found by EPICS base){complaints.mark(complaint, database)}")
    if not accepted:
        raise StackError(f"{database.path}: EPICS base did not load it; what it said is above in this log")


def _counting_file(settings: IocSettings) -> str:
    """Write the counting records that are asked for; return their file."""
    file = settings.records_file.with_name("counting.db")
    file.write_text(counting_records(settings.counting))
    return str(file)
