"""Options of a program: its arguments, over the environment, over an ini or TOML file.

A settings class is a frozen dataclass; each field is one option. `config_topic: str = option(help="…")` becomes `--config-topic`,
the variable `TESTBEAM_FORWARDER_CONFIG_TOPIC` (for prog "forwarder") and the key `config-topic` of the file named by `-c/--config-file`.
"""

import itertools
import sys
import types
import typing
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

import configargparse

from testbeam._version import __version__
from testbeam.errors import SettingsError

S = TypeVar("S")


def option(
    *,
    default: Any = MISSING,
    help: str,  # noqa: A002 — the word every option parser uses
    flags: Sequence[str] = (),
    env: str | None = None,
    parse: Callable[[str], Any] | None = None,
    choices: Sequence[str] | None = None,
    words: int | None = None,
) -> Any:
    """Declare one option of a settings class.

    `flags` adds short or older names; `env` names a variable other than the derived one; `parse` turns text into the value and raises
    ValueError with the expected form. An option without a default is required; `tuple[str, ...]` fields may be given more than once,
    and with `words` as so many arguments each time: then they are a `tuple[tuple[str, ...], ...]`.
    """
    metadata = {"help": help, "flags": tuple(flags), "env": env, "parse": parse, "choices": choices, "words": words}
    return field(default=default, metadata=metadata)


_SYSLOG = ("critical", "critical", "critical", "error", "warning", "info", "info", "debug")  # its severities, 0 to 7


def _verbosity(text: str) -> str:
    return _SYSLOG[int(text)] if text in "01234567" and len(text) == 1 else text.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramSettings:
    """Options every program has."""

    verbosity: str = option(
        default="info",
        help="least level that is logged",
        flags=("-v",),
        choices=("trace", "debug", "info", "warning", "error", "critical"),
        parse=_verbosity,
    )
    log_file: Path | None = option(default=None, help="also log to this file")


def parse(settings_class: type[S], prog: str, argv: Sequence[str] | None = None, description: str = "") -> S:
    """Read the settings of `prog` from `argv` (default: the process's own), environment and file.

    Raises:
        SettingsError: a value can't be used, or the file can't be read.
        SystemExit: `--help`, `--version`, or arguments that don't fit (exit code 2, as argparse does).
    """
    parser = _parser(settings_class, prog, description)
    arguments = list(sys.argv[1:] if argv is None else argv)
    _check_file(arguments)
    namespace = parser.parse_args(arguments)
    return settings_class(**{spec.name: _value(spec, getattr(namespace, spec.name)) for spec in _fields(settings_class)})


def _fields(settings_class: type[Any]) -> tuple[Field[Any], ...]:
    return fields(settings_class)


def _parser(settings_class: type[Any], prog: str, description: str) -> configargparse.ArgParser:
    parser = configargparse.ArgParser(
        prog=f"testbeam-{prog}",
        description=description,
        auto_env_var_prefix=f"TESTBEAM_{prog.upper().replace('-', '_')}_",
        allow_abbrev=False,
    )
    parser.add_argument("-c", "--config-file", is_config_file=True, help="ini or TOML file whose keys are the long options")
    parser.add_argument("--version", action="version", version=f"testbeam-{prog} {__version__}")
    hints = typing.get_type_hints(settings_class)
    for spec in _fields(settings_class):
        _add(parser, spec, hints[spec.name])
    return parser


def _add(parser: configargparse.ArgParser, spec: Field[Any], hint: Any) -> None:
    meta = spec.metadata
    kind = _plain_type(hint)
    arguments: dict[str, Any] = {"dest": spec.name, "help": meta["help"], "default": None if spec.default is MISSING else spec.default}
    if meta["env"]:
        arguments["env_var"] = meta["env"]
    if kind is bool:
        arguments["action"] = "store_true"
    else:
        arguments |= {"required": spec.default is MISSING, "type": meta["parse"] or _reader(kind), "choices": meta["choices"]}
        if typing.get_origin(hint) is tuple:
            arguments |= {"action": "append", "default": None, "nargs": meta["words"]}  # argparse would add to a default, not replace it
    parser.add_argument(f"--{spec.name.replace('_', '-')}", *meta["flags"], **arguments)


def _plain_type(hint: Any) -> Any:
    """Return the type of one value: `X | None` and `tuple[X, ...]` give X."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) in (tuple, typing.Union):
        return _plain_type(next(a for a in typing.get_args(hint) if a not in (type(None), ...)))
    return hint


def _reader(kind: Any) -> Callable[[str], Any]:
    if isinstance(kind, type) and issubclass(kind, Enum):
        return lambda text: kind[text.upper()]
    return typing.cast("Callable[[str], Any]", kind)


def _value(spec: Field[Any], value: Any) -> Any:
    if value is None and spec.default is not MISSING:
        return spec.default
    return _frozen(value)


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _check_file(argv: Sequence[str]) -> None:
    for flag, name in itertools.pairwise(argv):
        if flag in ("-c", "--config-file") and not Path(name).is_file():
            raise SettingsError(flag, name, "the path of an ini or TOML file that exists")
