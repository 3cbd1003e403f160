"""Device support `stream` in this IOC: made, given its commands, told of the IOC's life, and ended."""

import ctypes
import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from testbeam.errors import SettingsError
from testbeam.services.ioc.autosave import Autosave
from testbeam.services.ioc.base import Base
from testbeam.services.ioc.commands import Shell
from testbeam.services.ioc.databases import Database
from testbeam.services.ioc.port_commands import PortCommands
from testbeam.services.ioc.settings import IocSettings
from testbeam.services.ioc.stream.connections import Neighbourhood
from testbeam.services.ioc.stream.core_library import Core
from testbeam.services.ioc.stream.fields import DOUBLE, FLOAT, STRING, STRING_SIZE
from testbeam.services.ioc.stream.support import Support
from testbeam.services.ioc.stream.transcript import Transcript

_HOOK = ctypes.CFUNCTYPE(None, ctypes.c_int)
_kept: list[object] = []


def pairs(option: str, entries: Sequence[str]) -> dict[str, str]:
    """Return the pairs of entries NAME=VALUE.

    Raises:
        SettingsError: one is not such.
    """
    found = {}
    for entry in entries:
        name, equal, value = entry.partition("=")
        if not (name and equal and value):
            raise SettingsError(option, entry, "NAME=VALUE")
        found[name] = value
    return found


def make(base: Base, shell: Shell, settings: IocSettings) -> Support:
    """Register device support and its commands; make the ports that the settings name."""
    support = Support(
        Core(base.core),
        shell.run,
        transcript=Transcript(settings.wire_log),
        around=Neighbourhood(
            local_host=settings.localhost,
            replaced=pairs("--device", settings.device),
            real=settings.real_devices,
            hosts=pairs("--host", settings.host),
        ),
    )
    support.folders.extend(Path(folder).absolute() for folder in settings.protocols)
    define(base, support.register())
    PortCommands(shell, support).add()
    follow(base, support)
    for name, target in pairs("--port", settings.port).items():
        if ":" in target:
            support.add_internet_port(name, target, auto_connect=True)
        else:
            support.add_serial_port(name, target, auto_connect=True)
    return support


def make_autosave(base: Base, shell: Shell, owned: ExitStack) -> Autosave:
    """Make autosave and its commands; it ends before base does. Its `restore` is due once all records are loaded."""
    core = Core(base.core)

    def load_text(text: str) -> None:
        fd = os.memfd_create("restored.db")
        try:
            os.write(fd, text.encode(errors="surrogateescape"))
            base.load_records(Database(path=Path(f"/proc/self/fd/{fd}")))
        finally:
            os.close(fd)

    autosave = Autosave(shell, load_text, lambda name: core.address(name) is not None, lambda name: text_of(core, name))
    autosave.add()
    owned.callback(autosave.close)
    return autosave


def text_of(core: Core, name: str) -> str | None:
    """Return the value of a PV as text, or None where there is none of this name."""
    address = core.address(name)
    buffer = ctypes.create_string_buffer(STRING_SIZE)
    if address is not None and address.field_type in (FLOAT, DOUBLE) and core.get(address, DOUBLE, buffer, 1) == 1:
        return repr(ctypes.c_double.from_buffer(buffer).value)  # as text base would round it to the record's precision
    if address is None or core.get(address, STRING, buffer, 1) < 1:
        return None
    return buffer.value.decode("latin-1")


def define(base: Base, text: str) -> None:
    """Give definitions to base, which reads them from a file."""
    fd = os.memfd_create("stream.dbd")
    try:
        os.write(fd, text.encode())
        base.define(f"/proc/self/fd/{fd}")
    finally:
        os.close(fd)


def follow(base: Base, support: Support) -> None:
    """Tell device support how far the IOC has come."""
    name_of = base.com.initHookName
    name_of.restype = ctypes.c_char_p

    def hook(state: int) -> None:
        support.hook((name_of(state) or b"").decode())

    function = _HOOK(hook)
    _kept.append(function)
    base.com.initHookRegister(function)
