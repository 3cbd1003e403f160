"""Fields of a Service from the keys that any service may have."""

import math
import signal
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from testbeam.kit import template
from testbeam.kit.spec import Port, Service, StopScope
from testbeam.stacks.toml.fitting import fit, kind, made
from testbeam.stacks.toml.key import Key, Wrong, item
from testbeam.stacks.toml.probe import probe

# What each key wants; those that are None are read by the functions below.
FIELDS: dict[str, Any] = {
    "command": tuple[str, ...],
    "needs": tuple[str, ...],
    "ports": None,
    "env": Mapping[str, str],
    "files": Mapping[str, str],
    "endpoints": Mapping[str, str],
    "own_address": bool,
    "ready": None,
    "ready_timeout_s": float,
    "stop_signal": None,
    "stop_timeout_s": float,
    "stop_scope": StopScope,
    "once": bool,
    "alive": None,
    "alive_timeout_s": float,
    "tty": bool,
    "log_limit_bytes": int,
    "prepare": tuple[tuple[str, ...], ...],
    "external": bool,
    "separate_stdout": bool,
}
OF_ANY_ROLE = (
    "needs",
    "env",
    "ready",
    "ready_timeout_s",
    "stop_signal",
    "stop_timeout_s",
    "alive",
    "alive_timeout_s",
    "log_limit_bytes",
)  # may be set on top of what a role has chosen


def field(name: str, value: Any, key: Key, here: Path) -> Any:
    """Return the value of one field of a Service.

    Raises:
        Wrong: it is not what the field wants.
    """
    if name in ("ready", "alive"):
        return probe(value, key, here)
    if name == "ports":
        return _ports(value, key, here)
    if name == "stop_signal":
        return _signal(value, key)
    fitting = fit(value, FIELDS[name], key, here)
    if FIELDS[name] is float and not 0 < fitting < math.inf:
        raise Wrong(key, f"{value!r} is no time; give a number of seconds above 0")
    return fitting


def on_top(service: Service, values: Mapping[str, Any]) -> Service:
    """Return a role's service with further fields: variables and needs are added to its own, the others replace them."""
    changes = dict(values)
    if "env" in changes:
        changes["env"] = {**service.env, **changes["env"]}
    if "needs" in changes:
        changes["needs"] = tuple(dict.fromkeys((*service.needs, *changes["needs"])))
    return service.configured(**changes)


def _ports(value: Any, key: Key, here: Path) -> tuple[Port, ...]:
    if not isinstance(value, list):
        raise Wrong(key, f'{value!r} is {kind(value)}; give a list of names, ["main"], or tables, [{{name = "main", fixed = 8080}}]')
    tables = [(item(key, index), {"name": one} if isinstance(one, str) else one) for index, one in enumerate(value)]
    for where, one in tables:
        if not isinstance(one, dict):
            raise Wrong(
                where, f"{one!r} is {kind(one)}; give the name of the port, or a table with {', '.join(typing.get_type_hints(Port))}"
            )
    return tuple(made(Port, one, where, here) for where, one in tables)


def _signal(value: Any, key: Key) -> int:
    known = [one.name for one in signal.Signals]
    if value not in known:
        raise Wrong(key, f"{value!r} is no signal; give its name in quotes; {template.near(str(value), known)}")
    return int(signal.Signals[value])
