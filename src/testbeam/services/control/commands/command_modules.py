"""Command modules of setups: functions of a user's own file, made commands.

A file of `modules` is looked for from the setup's folder upwards, then on Python's path, and run anew by each `NewSetup`. It has the
commands as names of its own. Where it imports from NICOS, which is not here, it gets what testbeam has under that name: commands,
`session`, decorators, errors, base classes.
Source: docs/reference/control-commands.md, "Command modules".
"""

import builtins
import importlib.util
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from testbeam.errors import ControlError, DeviceError, LimitError, SetupError, TestbeamError
from testbeam.services.control.devices.base import Device, Readable
from testbeam.services.control.devices.detector import Detector
from testbeam.services.control.devices.moveable import Moveable
from testbeam.services.control.devices.status import State

_OURS = ("nicos.commands", "nicos_ess.commands")  # packages whose commands are testbeam's own
_UPWARDS = 6
_MARK = "__testbeam_command__"
Command = Callable[..., Any]


class ModuleMissing(Exception):
    """A module, or what it imports, is not there: its commands are not, and all else is."""


def is_built_in(name: str) -> bool:
    """Tell whether the commands of a module are testbeam's own."""
    return name.startswith(_OURS)


def import_of_setup(file: Path, words: Mapping[str, Any]) -> Callable[..., Any]:
    """Return what `import` is in a setup file: from NICOS it gets other files of its tree, or what testbeam has under the name."""
    return CommandModules(words).importing(file)


class CommandModules:
    """Runs the files of modules; `words` are the names that each has from the start, `session` among them."""

    def __init__(self, words: Mapping[str, Any]) -> None:
        self._words = words
        self._loaded: dict[str, ModuleType] = {}
        self._folders: tuple[Path, ...] = ()

    def commands(self, name: str, setup_file: Path) -> dict[str, Command]:
        """Return the commands of a module: the marked functions, or all public ones of the file where none is marked.

        Raises:
            ModuleMissing: it is not there, or what it imports.
            SetupError: its file fails; the message names file and line.
        """
        self.importing(setup_file)
        module = self._load(name)
        public = getattr(module, "__all__", None) or [word for word in vars(module) if not word.startswith("_")]
        found = {word: getattr(module, word, None) for word in public}
        own = {word: one for word, one in found.items() if callable(one) and getattr(one, "__module__", "") == name}
        return {word: one for word, one in own.items() if hasattr(one, _MARK)} or own

    def importing(self, setup_file: Path) -> Callable[..., Any]:
        """Look for modules from this file upwards; return what `import` is for it."""
        self._folders = tuple(setup_file.resolve().parents[:_UPWARDS])
        return self._import

    def _load(self, name: str) -> ModuleType:
        if name in self._loaded:
            return self._loaded[name]
        file = self._file_of(name)
        module = self._loaded[name] = ModuleType(name)
        vars(module).update(self._words, __file__=str(file), __builtins__={**vars(builtins), "__import__": self._import})
        try:
            exec(compile(file.read_bytes(), str(file), "exec", dont_inherit=True), vars(module))  # noqa: S102 — a user's own file
        except ModuleMissing:
            raise
        except ImportError as error:
            raise ModuleMissing(f"{file}{_line(file, error)}: {error}") from None
        except (Exception, SystemExit) as error:  # the file is Python: anything may come of it
            raise SetupError(f"{file}{_line(file, error)}: {type(error).__name__}: {error}") from error
        return module

    def _file_of(self, name: str) -> Path:
        path = Path(*name.split("."))
        for folder in self._folders:
            for file in (folder / path.with_suffix(".py"), folder / path / "__init__.py"):
                if file.is_file():
                    return file
        try:
            spec = None if _is_the_fields(name) else importlib.util.find_spec(name)
        except (ImportError, ValueError):
            spec = None
        if spec is None or not spec.origin or not spec.origin.endswith(".py"):
            raise ModuleMissing(f"there is no module {name} in {self._folders[0]}, the folders above it, or on Python's path")
        return Path(spec.origin)

    def _import(self, name: str, names: Any = None, local: Any = None, wanted: Sequence[str] = (), level: int = 0) -> Any:
        if not _is_the_fields(name):
            return builtins.__import__(name, names, local, wanted, level)
        if not wanted:
            raise ImportError(f"import {name}: NICOS is not here; write from {name} import …")
        return _StandIn(name, {word: self._stand_in(name, word) for word in wanted})

    def _stand_in(self, module: str, word: str) -> Any:
        if word in _WORDS:
            return _WORDS[word]
        if word in self._words:
            return self._words[word]
        try:
            return getattr(self._load(module), word)
        except (ModuleMissing, AttributeError):
            raise ImportError(f"testbeam has nothing that stands for {word} of {module}") from None


class _StandIn(ModuleType):
    """What an import from NICOS gets."""

    def __init__(self, name: str, words: Mapping[str, Any]) -> None:
        super().__init__(name)
        vars(self).update(words)


def _is_the_fields(name: str) -> bool:
    """Tell whether a module is NICOS' own or a facility's part of it."""
    root = name.partition(".")[0]
    return root == "nicos" or root.startswith("nicos_")


def _mark(function: Command) -> Command:
    setattr(function, _MARK, True)
    return function


def _unchanged(function: Command) -> Command:
    return function


def _line(file: Path, error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f", line {error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    return f", line {lines[-1]}" if lines else ""


_WORDS: Mapping[str, Any] = {
    "usercommand": _mark,
    "hiddenusercommand": _mark,
    "parallel_safe": _unchanged,
    "helparglist": lambda _text: _unchanged,
    "NicosError": TestbeamError,
    "UsageError": ControlError,
    "ConfigurationError": SetupError,
    "InvalidValueError": DeviceError,
    "PositionError": DeviceError,
    "MoveError": DeviceError,
    "LimitError": LimitError,
    "Device": Device,
    "Readable": Readable,
    "Moveable": Moveable,
    "Detector": Detector,
    "Measurable": Detector,
    "status": State,
}
