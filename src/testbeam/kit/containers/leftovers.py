"""Leftover containers of runs that are over."""

from dataclasses import dataclass

from testbeam.kit import guard
from testbeam.kit.containers import engine_commands

_ENGINE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """One container of a run of which no process is left."""

    container: str
    run_id: str
    service: str


def parse(listed: str) -> tuple[Leftover, ...]:
    """Return what an engine has listed, a line `ID RUN SERVICE` each."""
    rows = (line.split() for line in listed.splitlines())
    return tuple(Leftover(container=row[0], run_id=row[1], service=row[2]) for row in rows if len(row) == 3)


def find(engine: str) -> tuple[Leftover, ...]:
    """Return this user's containers whose run is over.

    Raises:
        StackError: the engine does not list them.
    """
    listed = parse(engine_commands.run(engine_commands.list_ours(engine, engine_commands.owner()), _ENGINE_S))
    return tuple(one for one in listed if not guard.marked(one.run_id))


def remove(engine: str, leftovers: tuple[Leftover, ...]) -> None:
    """Kill and remove them.

    Raises:
        StackError: the engine does not do it.
    """
    if leftovers:
        engine_commands.run(engine_commands.remove(engine, *(one.container for one in leftovers)), _ENGINE_S)
