"""States of a service, and which step may follow which.

Source: docs/reference/contracts/kit.md, "States".
"""

from enum import StrEnum

from testbeam.errors import StackError


class State(StrEnum):
    """Where a service is between its declaration and its end."""

    DECLARED = "declared"
    STARTING = "starting"
    READY = "ready"
    PAUSED = "paused"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"  # ended, or was too late, before it was ready
    CRASHED = "crashed"  # ended, unexpectedly, after it was ready, or does not answer any more
    DONE = "done"  # a one-shot service that has ended with code 0


_NEXT = {
    State.DECLARED: {State.STARTING, State.STOPPED},
    State.STARTING: {State.READY, State.FAILED, State.STOPPING},
    State.READY: {State.PAUSED, State.STOPPING, State.STOPPED, State.CRASHED, State.DONE},  # STOPPED at once: an exit that was expected
    State.PAUSED: {State.READY, State.STOPPING, State.STOPPED, State.CRASHED},
    State.STOPPING: {State.STOPPED},
    State.STOPPED: {State.STARTING},
    State.FAILED: {State.STARTING},
    State.CRASHED: {State.STARTING},
    State.DONE: {State.STARTING},
}

RUNNING = frozenset({State.STARTING, State.READY, State.PAUSED})
OVER = frozenset({State.STOPPED, State.FAILED, State.CRASHED, State.DONE})


def step(service: str, now: State, then: State) -> State:
    """Return the state to go to.

    Raises:
        StackError: no such step exists.
    """
    if then not in _NEXT[now]:
        allowed = ", ".join(sorted(_NEXT[now]))
        raise StackError(f"service {service!r} is {now} and can't become {then}; from here it can become {allowed}")
    return then
