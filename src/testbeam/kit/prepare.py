"""What is done before anything is started: a service's preparing commands, one after the other, on the user's terminal."""

import shlex
from collections.abc import Iterable
from queue import SimpleQueue

from testbeam.errors import StackError
from testbeam.kit.bring_up import News
from testbeam.kit.guard_client import GuardClient
from testbeam.kit.journal import Journal
from testbeam.kit.place import Place
from testbeam.kit.process import CommandLine, Process, why_not_spawned


def prepare(places: Iterable[Place], guard: GuardClient, journal: Journal, news: "SimpleQueue[News]") -> None:
    """Run every preparing command to its end; they die with the runner like any service.

    Raises:
        StackError: one can't be spawned or fails.
    """
    for place in places:
        for line in place.prepare_lines():
            _run(place.service.name, line, guard, news)
            journal.record("prepared", place.service.name, command=shlex.join(line.argv))


def _run(name: str, line: CommandLine, guard: GuardClient, news: "SimpleQueue[News]") -> None:
    process = guard.spawn(line, lambda _, what: news.put((name, None)) if what == "ended" else None)
    _, error = news.get()
    if error is not None:  # Ctrl-C, or the guard died
        raise error
    if process.exit_code != 0:
        raise StackError(f"service {name!r} could not be prepared: {_why(process, line)}")


def _why(process: Process, line: CommandLine) -> str:
    if process.refusal is not None:
        return why_not_spawned(process.refusal, line)
    return f"{shlex.join(line.argv)} {process.ending()}; its words are above; run it by hand"
