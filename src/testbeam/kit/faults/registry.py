"""Registry of faults by name: for schedules, and for programs that name a fault in words."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from testbeam.errors import StackError
from testbeam.kit import template
from testbeam.kit.faults.clock import ClockShifted
from testbeam.kit.faults.disk import DiskFull
from testbeam.kit.faults.fault import Fault
from testbeam.kit.faults.kill import Killed, Restarted
from testbeam.kit.faults.link import LinkFault
from testbeam.kit.faults.pause import Paused
from testbeam.kit.faults.slow import SlowConsumer
from testbeam.kit.protocols import HandleLike

KINDS: tuple[type[Fault], ...] = (Paused, Killed, Restarted, LinkFault, DiskFull, SlowConsumer, ClockShifted)
OF_PROCESS = frozenset(kind.kind for kind in KINDS if kind.of_process)
NAMES = tuple(kind.kind for kind in KINDS)


def make(handle: HandleLike, kind: str, options: Mapping[str, Any]) -> Fault:
    """Return a fault that is not begun yet.

    Raises:
        StackError: there is no such fault, or an option of it is unknown or can't be used.
    """
    check_name(kind)
    if kind == Restarted.kind:
        return Restarted(handle, **_checked(kind, Restarted, options))
    word: Callable[..., Fault] = getattr(handle, kind)
    return word(**_checked(kind, getattr(type(handle), kind), options))


def check_name(kind: str) -> None:
    """Raise StackError for a name that is no fault's."""
    if kind not in NAMES:
        raise StackError(f"there is no fault {kind!r}; {template.near(kind, NAMES)}")


def _checked(kind: str, word: Callable[..., Any], options: Mapping[str, Any]) -> Mapping[str, Any]:
    known = [name for name in inspect.signature(word).parameters if name not in {"self", "handle", "parameters"}]
    for name in options:
        if name not in known:
            raise StackError(f"fault {kind!r} has no option {name!r}; {template.near(name, known)}")
    return options
