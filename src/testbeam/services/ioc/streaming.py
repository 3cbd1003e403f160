"""Device support `stream` in this IOC: made, given its commands, told of the IOC's life, and ended."""

import ctypes
import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from testbeam.errors import SettingsError
from testbeam.services.ioc import init_hooks
from testbeam.services.ioc.autosave import Autosave
from testbeam.services.ioc.base import Base
from testbeam.services.ioc.commands import Shell
from testbeam.services.ioc.databases import Database
from testbeam.services.ioc.port_commands import PortCommands
from testbeam.services.ioc.settings import IocSettings
from testbeam.services.ioc.stream.connections import Neighbourhood
from testbeam.services.ioc.stream.core_library import ARRAY_FIELD, Address, Core
from testbeam.services.ioc.stream.fields import CHAR, DOUBLE, ENUM, FLOAT, STRING, STRING_SIZE, ULONG
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

    def exists(name: str) -> bool:
        return core.address(name) is not None

    autosave = Autosave(shell, load_text, exists, lambda name: text_of(core, name), lambda name, texts: put_array(core, name, texts))
    autosave.add()
    init_hooks.add(base.com, {b"initHookAfterInitDatabase": autosave.restore_arrays})
    owned.callback(autosave.close)
    return autosave


def text_of(core: Core, name: str) -> str | list[str] | None:
    """Return the value of a PV as text, of an array its elements, or None where there is none of this name."""
    address = core.address(name)
    if address is not None and _is_long_text(address):
        return _long_text(core, name)
    if address is not None and address.special == ARRAY_FIELD and address.field_type != ENUM:
        return _elements(core, address)
    buffer = ctypes.create_string_buffer(STRING_SIZE)
    if address is not None and address.field_type in (FLOAT, DOUBLE) and core.get(address, DOUBLE, buffer, 1) == 1:
        return repr(ctypes.c_double.from_buffer(buffer).value)  # as text base would round it to the record's precision
    if address is not None and address.field_type == ENUM and core.get(address, ULONG, buffer, 1) == 1:
        return str(ctypes.c_uint32.from_buffer(buffer).value)  # as text it would be a choice, which may be empty
    if address is None or core.get(address, STRING, buffer, 1) < 1:
        return None
    return buffer.value.decode("latin-1")


def _is_long_text(address: Address) -> bool:
    return bool(address.field_type == STRING and address.field_size > STRING_SIZE)


def _characters(core: Core, name: str) -> Address | None:
    """Return where the characters of a text are, which the name of a field tells with a dollar."""
    return core.address(f"{name}$" if "." in name else f"{name}.VAL$")


def _long_text(core: Core, name: str) -> list[str] | None:
    characters = _characters(core, name)
    if characters is None:
        return None
    buffer = ctypes.create_string_buffer(characters.elements + 1)
    return [buffer.value.decode("latin-1")] if core.get(characters, CHAR, buffer, characters.elements) >= 0 else None


def _elements(core: Core, address: Address) -> list[str] | None:
    if address.field_type in (FLOAT, DOUBLE):
        buffer = ctypes.create_string_buffer(8 * address.elements)
        count = core.get(address, DOUBLE, buffer, address.elements)
        return [repr(number) for number in (ctypes.c_double * max(count, 0)).from_buffer(buffer)] if count >= 0 else None
    buffer = ctypes.create_string_buffer(STRING_SIZE * address.elements)
    count = core.get(address, STRING, buffer, address.elements)
    texts = (buffer.raw[at : at + STRING_SIZE].partition(b"\0")[0] for at in range(0, STRING_SIZE * count, STRING_SIZE))
    return [text.decode("latin-1") for text in texts] if count >= 0 else None


def put_array(core: Core, name: str, texts: Sequence[str]) -> bool:
    """Set the elements of an array, without processing its record; tell whether base took them."""
    address = core.address(name)
    if address is None or len(texts) > address.elements:
        return False
    if _is_long_text(address):
        raw, end = "".join(texts).encode("latin-1", "replace"), _characters(core, name) or address
        return core.put(end, CHAR, ctypes.create_string_buffer(raw), len(raw) + 1, process=False)
    raw = b"".join(text.encode("latin-1", "replace")[: STRING_SIZE - 1].ljust(STRING_SIZE, b"\0") for text in texts)
    return core.put(address, STRING, ctypes.create_string_buffer(raw, len(raw) or 1), len(texts), process=False)


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
