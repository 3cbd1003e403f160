"""Declaration of a check: a script, and beside it a TOML file with the machines it talks to and their units.

Source: docs/reference/contracts/ioc.md, "Driver"; docs/reference/checks.md.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from testbeam.errors import SettingsError, StackError

DEFAULT_TIMEOUT_S = 900.0
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_KINDS = ("st_cmd", "device", "command", "db")


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitSpec:
    """One unit of a machine, as a systemd service would be: an IOC, a simulated device, or any command.

    Of `st_cmd`, `db`, `device` and `command` exactly one is given. With `binary`, `st_cmd` is run by that compiled IOC.
    """

    name: str
    st_cmd: str = ""  # start-up file of an IOC
    binary: str = ""  # the IOC's own program
    qsrv: int = 2  # generation of the PVA server for records, of our IOC
    db: tuple[str, ...] = ()  # databases of an IOC without start-up file: FILE or FILE,P=X:
    ports: Mapping[str, str] = field(default_factory=dict)  # of such an IOC, for DTYP stream
    protocols: tuple[str, ...] = ()
    macros: Mapping[str, str] = field(default_factory=dict)
    devices: Mapping[str, str] = field(default_factory=dict)  # what stands for devices that are not here
    device: str = ""  # simulator
    port: int | None = None
    faults: Mapping[str, float] = field(default_factory=dict)
    state: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ()  # units that must be up first
    listens: tuple[int, ...] = ()  # ports that are open once it is up
    wanted: bool = True  # started with the machine

    @property
    def is_ioc(self) -> bool:
        """Tell whether it serves PVs."""
        return bool(self.st_cmd or self.db)


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineSpec:
    """One machine: what runs on it, and what its commands see."""

    name: str
    units: tuple[UnitSpec, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    path: tuple[str, ...] = ()  # folders of tools, before the others


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSpec:
    """One check."""

    name: str
    script: Path
    machines: tuple[MachineSpec, ...]
    timeout_s: float = DEFAULT_TIMEOUT_S  # of the whole
    private: bool = False  # needs a network of its own
    ssh: Mapping[str, str] = field(default_factory=dict)  # machines that are elsewhere: name → destination
    exec: Mapping[str, str] = field(default_factory=dict)  # machines in containers: name → command line that runs a command there

    @property
    def folder(self) -> Path:
        """Return where relative paths begin."""
        return self.script.parent

    @property
    def needs_own_loopback(self) -> bool:
        """Tell whether `localhost` must be the machine's own in programs that are not ours."""
        return self.private or any(unit.binary for machine in self.machines for unit in machine.units)


def load(script: Path) -> CheckSpec:
    """Return the check of a script, with the machines of `<name>.toml` beside it.

    Raises:
        SettingsError: there is no such script, or no TOML file.
        StackError: the TOML file is wrong; names it, the key, and what is expected.
    """
    script = script.absolute()
    if not script.is_file():
        raise SettingsError("PATH", str(script), "a script of a check, or a folder of them")
    file = script.with_suffix(".toml")
    if not file.is_file():
        raise SettingsError("PATH", str(script), f"a script with its machines beside it, in {file.name}; `testbeam init ioc` writes both")
    try:
        return _Reader(file).check(script, tomllib.loads(file.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StackError(f"{file}: {error}") from None


def find(paths: list[Path]) -> list[Path]:
    """Return the scripts of checks that are meant: files, and in folders each `.py` with a `.toml` beside it.

    Raises:
        SettingsError: a path is neither, or a folder has none.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(file for file in path.glob("*.py") if file.with_suffix(".toml").is_file())
            if not inside:
                raise SettingsError("PATH", str(path), "a folder with checks: NAME.py and NAME.toml")
            found += inside
        else:
            found.append(path.with_suffix(".py") if path.suffix == ".toml" else path)
    return list(dict.fromkeys(found))


class _Reader:
    """Reads one TOML file; every error names it and the key."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def _error(self, key: str, problem: str) -> StackError:
        return StackError(f"{self._file}: {key}: {problem}")

    def check(self, script: Path, data: dict[str, Any]) -> CheckSpec:
        self._known("", data, ("machines", "timeout_s", "private", "ssh", "exec"))
        machines = self._table("machines", data.get("machines", {}))
        if not machines:
            raise self._error("machines", 'there is none; write [machines.machine.units.ioc] and below it st_cmd = "…"')
        return CheckSpec(
            name=script.stem,
            script=script,
            machines=tuple(self._machine(name, value) for name, value in machines.items()),
            timeout_s=self._number("timeout_s", data.get("timeout_s", DEFAULT_TIMEOUT_S)),
            private=bool(data.get("private", False)),
            ssh=self._strings("ssh", data.get("ssh", {})),
            exec=self._strings("exec", data.get("exec", {})),
        )

    def _machine(self, name: str, value: Any) -> MachineSpec:
        key = f"machines.{name}"
        if not _NAME.fullmatch(name):
            raise self._error(key, "a name is letters, digits, '-' and '_', beginning with a letter")
        table = self._table(key, value)
        self._known(key, table, ("units", "environment", "path"))
        units = self._table(f"{key}.units", table.get("units", {}))
        made = tuple(self._unit(f"{key}.units.{unit}", unit, entry) for unit, entry in units.items())
        self._check_order(key, made)
        return MachineSpec(
            name=name,
            units=made,
            environment=self._strings(f"{key}.environment", table.get("environment", {})),
            path=self._list(f"{key}.path", table.get("path", [])),
        )

    def _unit(self, key: str, name: str, value: Any) -> UnitSpec:
        table = dict(self._table(key, value))
        if not _NAME.fullmatch(name):
            raise self._error(key, "a name is letters, digits, '-' and '_', beginning with a letter")
        self._known(key, table, [item.name for item in fields(UnitSpec) if item.name != "name"])
        given = [kind for kind in _KINDS if table.get(kind)]
        if len(given) != 1:
            raise self._error(key, f"give exactly one of {', '.join(_KINDS)}; there is {', '.join(given) or 'none'}")
        for word in ("db", "protocols", "command", "after"):
            if word in table:
                table[word] = self._list(f"{key}.{word}", table[word])
        for word in ("ports", "macros", "devices", "environment"):
            if word in table:
                table[word] = self._strings(f"{key}.{word}", table[word])
        listens = table.get("listens", ())
        table["listens"] = tuple(int(port) for port in (listens if isinstance(listens, list | tuple) else (listens,)))
        return UnitSpec(name=name, **table)

    def _check_order(self, key: str, units: tuple[UnitSpec, ...]) -> None:
        names = {unit.name for unit in units}
        for unit in units:
            for other in unit.after:
                if other not in names:
                    raise self._error(f"{key}.units.{unit.name}.after", f"there is no unit {other!r}; there are {', '.join(sorted(names))}")

    def _known(self, key: str, table: Mapping[str, Any], known: list[str] | tuple[str, ...]) -> None:
        for word in table:
            if word not in known:
                raise self._error(f"{key}.{word}".lstrip("."), f"there is no such key; there are {', '.join(known)}")

    def _table(self, key: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self._error(key, "a table is expected")
        return value

    def _list(self, key: str, value: Any) -> tuple[str, ...]:
        if isinstance(value, str):
            return (value,)
        if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
            raise self._error(key, "a list of strings is expected")
        return tuple(value)

    def _strings(self, key: str, value: Any) -> dict[str, str]:
        return {str(name): str(entry) for name, entry in self._table(key, value).items()}

    def _number(self, key: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise self._error(key, "a number above 0 is expected")
        return float(value)
