"""Setup files: each is run as Python in a namespace of its own, and what it names is checked.

A file with an error is a setup with a `problem`, which names file and line; the others are read all the same. Setups of one name in
several folders are one setup: devices and lists add up, and a device set to None in a later folder is taken away.
Source: docs/reference/contracts/control.md, "Setup files".
"""

import ast
import builtins
import keyword
import logging
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from testbeam.errors import SetupError
from testbeam.services.control.setups.declared import GROUPS, DeviceConfig, Setup

_PANEL_WORDS = ("Row", "Column", "BlockRow", "Block", "Field", "SetupBlock")
_LISTS = ("includes", "excludes", "modules", "watch_conditions")
_TABLES = ("sysconfig", "devices", "alias_config", "extended")
ImportOf = Callable[[Path, Mapping[str, Any]], Callable[..., Any]]  # file, names that it has besides
_log = logging.getLogger(__name__)


def read_setups(folders: Iterable[Path], import_: ImportOf | None = None) -> dict[str, Setup]:
    """Return every setup below these folders by its name, the file's without its ending.

    `import_` gives what `import` is in a file; without it, it is Python's own.

    Raises:
        SetupError: a folder is not there.
    """
    reader = _Reader(tuple(folders), import_)
    setups: dict[str, Setup] = {}
    for file in reader.files:
        setup = reader.read(file)
        known = setups.get(setup.name)
        setups[setup.name] = setup if known is None else _merged(known, setup)
    return {name: _checked(setup, setups) for name, setup in setups.items()}


class _Reader:
    """Runs the files of some folders; `configdata` files once."""

    def __init__(self, folders: tuple[Path, ...], import_: ImportOf | None) -> None:
        self._import = import_
        for folder in folders:
            if not folder.is_dir():
                raise SetupError(f"there is no folder {folder} of setups; give the folder that holds the .py files")
        self.files = [file for folder in folders for file in sorted(folder.rglob("*.py")) if file.name != "__init__.py"]
        self._config: dict[str, Mapping[str, Any]] = {}

    def read(self, file: Path) -> Setup:
        try:
            return _setup(file, self._run(file))
        except (Exception, SystemExit) as error:  # the file is Python: anything may come of it
            return Setup(name=file.stem, file=file, problem=_where(file, error))

    def _run(self, file: Path) -> dict[str, Any]:
        words = {"device": _device, "configdata": self._configdata, "secret": _secret, **{word: _panel(word) for word in _PANEL_WORDS}}
        namespace: dict[str, Any] = {
            "__builtins__": builtins if self._import is None else {**vars(builtins), "__import__": self._import(file, words)},
            "__file__": str(file),
            "__name__": file.stem,
            "setupname": file.stem,
            **words,
        }
        code = compile(file.read_text(), str(file), "exec", dont_inherit=True)
        exec(code, namespace)  # noqa: S102 — a setup file is a program of the instrument's, by the field's design
        return namespace

    def _configdata(self, path: str) -> Any:
        module, _, name = path.rpartition(".")
        if module not in self._config:
            file = next((file for file in self.files if file.stem == module), None)
            if file is None:
                raise SetupError(f"configdata({path!r}): there is no file {module}.py among the setups")
            self._config[module] = {}  # a circle finds nothing rather than never ending
            self._config[module] = self._run(file)
        if name not in self._config[module]:
            raise SetupError(f"configdata({path!r}): {module}.py names no {name}")
        return self._config[module][name]


def _device(class_name: str, **parameters: Any) -> DeviceConfig:
    return DeviceConfig(class_name, parameters)


def _secret(name: str, default: Any = "") -> Any:  # noqa: ARG001 — a key store is the instrument's, and no test's
    return default


def _panel(word: str) -> Callable[..., tuple[Any, ...]]:
    return lambda *arguments, **options: (word, arguments, options)


def _setup(file: Path, names: Mapping[str, Any]) -> Setup:
    for word in _LISTS:
        _expect(file, word, names.get(word, ()), (list, tuple, set), "a list")
    for word in _TABLES:
        _expect(file, word, names.get(word, {}), dict, "a dict")
    group = names.get("group", "optional")
    if group not in GROUPS:
        _log.warning("%s: group %r is none of %s; it is taken as optional", file, group, ", ".join(GROUPS))
        group = "optional"
    return Setup(
        name=file.stem,
        file=file,
        description=str(names.get("description", file.stem)),
        group=group,
        includes=_words(file, "includes", names),
        excludes=_words(file, "excludes", names),
        modules=_words(file, "modules", names),
        sysconfig=names.get("sysconfig", {}),
        devices=_devices(file, names.get("devices", {})),
        startupcode=str(names.get("startupcode", "") or ""),
        alias_config=names.get("alias_config", {}),
        display_order=int(names.get("display_order", 50)),
        extended=names.get("extended", {}),
        monitor_blocks=names.get("monitor_blocks"),
        watch_conditions=tuple(names.get("watch_conditions", ())),
    )


def _devices(file: Path, given: Mapping[str, Any]) -> dict[str, DeviceConfig | None]:
    found: dict[str, DeviceConfig | None] = {}
    for name, config in given.items():
        if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
            raise SetupError(f"{file}{line_of(file, str(name))}: device {name!r} has no name that Python takes")
        if config is None:
            found[name] = None
        elif isinstance(config, DeviceConfig):
            _add(found, name, config)
        else:
            raise SetupError(f'{file}{line_of(file, name)}: device {name!r} is {config!r:.60}; give device("the.Class", …)')
    return found


def _add(found: dict[str, DeviceConfig | None], name: str, config: DeviceConfig) -> None:
    """Note a device; those nested in its parameters become devices of their own, named after device and parameter."""
    parameters: dict[str, Any] = {}
    for word, value in config.parameters.items():
        if isinstance(value, DeviceConfig):
            parameters[word] = f"{name}_{word}"
            _add(found, f"{name}_{word}", value)
        elif isinstance(value, list | tuple) and any(isinstance(item, DeviceConfig) for item in value):
            parameters[word] = [f"{name}_{word}{index}" if isinstance(item, DeviceConfig) else item for index, item in enumerate(value, 1)]
            for index, item in enumerate(value, 1):
                if isinstance(item, DeviceConfig):
                    _add(found, f"{name}_{word}{index}", item)
        else:
            parameters[word] = value
    found[name] = DeviceConfig(config.class_name, parameters)


def _merged(first: Setup, second: Setup) -> Setup:
    return replace(
        second,
        description=second.description if second.description != second.name else first.description,
        includes=tuple(dict.fromkeys((*first.includes, *second.includes))),
        excludes=tuple(dict.fromkeys((*first.excludes, *second.excludes))),
        modules=tuple(dict.fromkeys((*first.modules, *second.modules))),
        sysconfig={**first.sysconfig, **second.sysconfig},
        devices={**first.devices, **second.devices},
        startupcode="\n".join(filter(None, (first.startupcode, second.startupcode))),
        alias_config={**first.alias_config, **second.alias_config},
        problem=first.problem or second.problem,
    )


def _checked(setup: Setup, setups: Mapping[str, Setup]) -> Setup:
    """Return the setup with a problem where it includes what is not there or can't be loaded."""
    if setup.problem:
        return setup
    for name in setup.includes:
        included = setups.get(name)
        if included is None:
            return replace(setup, problem=f"{setup.file}{line_of(setup.file, name)}: includes {name!r}, and there is no such setup")
        if included.problem:
            return replace(setup, problem=f"{setup.file}: includes {name!r}, which can't be loaded: {included.problem}")
    return setup


def _expect(file: Path, word: str, value: Any, kinds: type | tuple[type, ...], what: str) -> None:
    if not isinstance(value, kinds):
        raise SetupError(f"{file}{line_of(file, word)}: {word} is {value!r:.60}; give {what}")


def _words(file: Path, word: str, names: Mapping[str, Any]) -> tuple[str, ...]:
    found = tuple(names.get(word, ()))
    for one in found:
        _expect(file, word, one, str, "a list of names")
    return found


def _where(file: Path, error: BaseException) -> str:
    """Return the error with file and line."""
    if isinstance(error, SetupError) and str(file) in str(error):
        return str(error)
    if isinstance(error, SyntaxError):
        return f"{file}, line {error.lineno}: {error.msg}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    return f"{file}{f', line {lines[-1]}' if lines else ''}: {type(error).__name__}: {error}"


def line_of(file: Path, word: str) -> str:
    """Return ", line N" where the file first has a word as a name or a text."""
    try:
        tree = ast.parse(file.read_text())
    except (OSError, SyntaxError):
        return ""
    for node in ast.walk(tree):
        named = (isinstance(node, ast.Name) and node.id == word) or (isinstance(node, ast.Constant) and node.value == word)
        if named or (isinstance(node, ast.keyword) and node.arg == word):
            return f", line {node.lineno}"  # type: ignore[attr-defined]  # all three have one
    return ""
