"""Probe that asks for nothing but the process: whether it has come through its first moments."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from testbeam.kit import guard
from testbeam.kit.spec import ProbeResult, ServiceView
from testbeam.model.deadline import Deadline

BEGUN_S = 0.2
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class ProcessAlive:
    """Ready once the process has lived for 0.2 s and waits for something, or has computed for as long.

    It is what a service without `ready` is asked. A program that can't begin (an import, an option, a file that is missing) has ended
    by then, however busy the machine is: time in which it was not let run does not count.
    """

    def check(self, service: ServiceView) -> ProbeResult:
        """Look once."""
        if not service.is_running():
            return ProbeResult(ready=False, detail=f"pid {service.pid} has ended")
        if service.pid is None:
            return ProbeResult(ready=True, detail="runs elsewhere")
        has_lived = service.memory.setdefault("process", Deadline(BEGUN_S)).passed
        begun = has_lived and has_begun(tuple(_seen(one) for one in (service.pid, *guard.descendants(service.pid))))
        return ProbeResult(ready=begun, detail=f"pid {service.pid} {'runs' if begun else 'has only begun'}")


@dataclass(frozen=True, slots=True)
class Seen:
    """One process: the kernel's letter for each of its threads, and the seconds that all of them have computed."""

    states: str
    computed_s: float


def has_begun(tree: tuple[Seen, ...]) -> bool:
    """Tell whether a process, the first, and all that descend from it wait for something, or have computed for long enough."""
    if not tree[0].states.strip("ZX"):
        return False  # it has ended, which the guard is about to say
    return sum(one.computed_s for one in tree) >= BEGUN_S or not any({"R", "D"} & set(one.states) for one in tree)


def _seen(pid: int) -> Seen:
    lines: list[list[str]] = []
    with suppress(OSError):  # gone meanwhile
        lines.extend((task / "stat").read_text(errors="replace").rpartition(")")[2].split() for task in Path(f"/proc/{pid}/task").iterdir())
    return Seen("".join(line[0] for line in lines), sum(_computed_s(line) for line in lines))


def _computed_s(fields: list[str]) -> float:
    """Return the user and system time of a thread; fields: of its stat file, from the state on."""
    return (int(fields[11]) + int(fields[12])) * _TICK_S
