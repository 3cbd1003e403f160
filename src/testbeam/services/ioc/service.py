"""What the IOC does from its start to its end."""

import faulthandler
import logging
import os
import threading

from testbeam.errors import SettingsError, StackError
from testbeam.services.ioc import complaints, databases, sockets
from testbeam.services.ioc.base import Base
from testbeam.services.ioc.capture import captured_stderr
from testbeam.services.ioc.counting import counting_records
from testbeam.services.ioc.databases import Database
from testbeam.services.ioc.settings import IocSettings
from testbeam.transport.epics_environment import CA_PORT, PVA_PORT, client_environment, server_environment

log = logging.getLogger("ioc")

_LOOK_S = 2.0


def serve(settings: IocSettings, stop: threading.Event) -> None:
    """Serve the records of database files over Channel Access and PV Access until told to stop."""
    faulthandler.enable(os.dup(2))  # base is C: an address fault in it shall name the step; standard error itself may be captured then
    loadable = checked(settings)
    settings.records_file.unlink(missing_ok=True)  # what an earlier run left must not pass for this one's
    isolate(settings.address, settings.peer)
    base = Base.load()
    try:
        start(base, loadable, settings)
        log.info("serving CA on %s:%d and PVA on %s:%d", settings.address, CA_PORT, settings.address, PVA_PORT)
        while not stop.wait(_LOOK_S):
            sockets.keep_on_loopback()  # links to other IOCs open sockets when they first look for them
    finally:
        base.exit()  # also after an error: Python can't end in order while base's threads run


def checked(settings: IocSettings) -> tuple[Database, ...]:
    """Find what is wrong with the settings before base is loaded; return the databases.

    Raises:
        SettingsError: an option can't be used.
        StackError: a database has unbalanced brackets or quotes.
        PortTaken: another process has a port at the address.
    """
    for option, address in (("--address", settings.address), *(("--peer", peer) for peer in settings.peer)):
        sockets.check_loopback(option, address)
    if not settings.records_file.absolute().parent.is_dir():
        raise SettingsError("--records-file", str(settings.records_file), "a file in a folder that exists")
    loadable = databases.parse(settings.db or (str(databases.DEMO),), settings.macro)
    if settings.counting > 0:
        loadable += databases.parse((_counting_file(settings),), settings.macro)
    for database in loadable:
        databases.check(database)
    sockets.check_free(settings.address)
    return loadable


def start(base: Base, loadable: tuple[Database, ...], settings: IocSettings) -> None:
    """Bring EPICS base up with these databases on the address that the settings name.

    Raises:
        StackError: base refuses a database.
        SettingsError: there is no record in any of them.
        PortTaken: another process was faster to take a port.
    """
    for database in loadable:
        load_records(base, database)
    names = settings.records_file.with_name(f"{settings.records_file.name}.partial")
    base.write_record_names(names)
    if not names.read_bytes().strip():
        raise SettingsError("--db", ", ".join(settings.db), "at least one database that holds a record")
    base.init(settings.keep_init_sleep)
    refused = sockets.keep_on_loopback()
    if refused:
        log.warning("the kernel lets these sockets face other machines: %s", ", ".join(refused))
    sockets.check_held(settings.address)
    names.replace(settings.records_file)  # whoever waits for the file finds an IOC that serves all that is in it


def isolate(address: str, peers: tuple[str, ...]) -> None:
    """Set the EPICS variables of this process, whatever it has inherited; must come before base is loaded."""
    os.environ.update(client_environment([address, *peers]))
    os.environ.update(server_environment(address))


def load_records(base: Base, database: Database) -> None:
    """Load one database.

    Raises:
        StackError: base found something wrong with it; one line naming file, line and problem.
    """
    log.info("loading %s with macros %s", database.path, database.substitutions or "none")
    with captured_stderr() as output:
        accepted = base.load_records(database)
    complaint = complaints.find(output.text, database.path)
    if complaint is not None:
        raise StackError(f"{complaint} (found by EPICS base)")
    if not accepted:
        raise StackError(f"{database.path}: EPICS base did not load it; what it said is above in this log")


def _counting_file(settings: IocSettings) -> str:
    """Write the counting records that are asked for; return their file."""
    file = settings.records_file.with_name("counting.db")
    file.write_text(counting_records(settings.counting))
    return str(file)
