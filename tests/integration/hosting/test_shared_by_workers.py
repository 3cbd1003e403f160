"""Whatever worker of a session finds a stack broken, all of them do."""

import os
import signal
from types import SimpleNamespace
from typing import Any

import pytest

from testbeam.clients.waiting import wait_for_condition
from testbeam.errors import ServiceDied
from testbeam.hosting import processes, registry
from testbeam.kit.stack import Stack
from testbeam.pytest_plugin.crashes import CrashWatch
from testbeam.pytest_plugin.keys import CRASHES, WORKER_INPUT
from testbeam.pytest_plugin.sharing import end_session, shared
from tests.integration.kit.small_services import sleeper


def worker(key: str) -> Any:
    """Return the configuration of a worker of a session that lives as long as this process."""
    session = {"key": key, "pid": str(os.getpid()), "started_at": processes.started_at(os.getpid())}
    stash = pytest.Stash()
    stash[CRASHES] = CrashWatch()
    return SimpleNamespace(stash=stash, workerinput={WORKER_INPUT: session}, getoption=lambda _: False)


def test_a_worker_that_joins_a_broken_stack_late_passes_no_test_on_it() -> None:
    stack = Stack(sleeper("one"), sleeper("two"))
    try:
        with shared(stack, worker("s")) as first:
            first.check()
            os.kill(first["two"].pid or 0, signal.SIGKILL)
            wait_for_condition(lambda: first.crashed, within_s=60)
            with shared(stack, worker("s")) as late:
                assert late.id == first.id
                with pytest.raises(ServiceDied, match="'two' was ended by SIGKILL"):
                    late.check()
    finally:
        holders = [entry.pid for entry in registry.entries()]
        end_session("s")
        for pid in holders:
            os.waitpid(pid, 0)
