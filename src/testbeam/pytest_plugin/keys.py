"""Keys of what the plugin remembers of a session and of a test; pytest's own stash holds it."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from testbeam.kit.journal import Event
    from testbeam.kit.protocols import RunLike
    from testbeam.pytest_plugin.crashes import CrashWatch

CRASHES: "pytest.StashKey[CrashWatch]" = pytest.StashKey()  # of the session
SHARED_RUN: "pytest.StashKey[RunLike]" = pytest.StashKey()  # of the session
RUN: "pytest.StashKey[RunLike]" = pytest.StashKey()  # of a test
BEGIN: "pytest.StashKey[Event]" = pytest.StashKey()  # of a test: the mark at which its time begins
PAGES_OF_STARTS: "pytest.StashKey[dict[Path, Path]]" = pytest.StashKey()  # of the session: page by the folder of a run that did not start
SESSION: pytest.StashKey[str] = pytest.StashKey()  # of xdist's controller: the name by which workers share one stack

ATTACH = "--testbeam-attach"
STACK = "--testbeam-stack"
REPLACEMENT_PREFIX = "--testbeam-"
REPLACEMENTS = {kind: f"{REPLACEMENT_PREFIX}{kind.replace('_', '-')}" for kind in ("local_build", "command", "external")}
BUNDLES = "--testbeam-bundles"
WAIT = "--wait-to-attach-debugger"
EXCLUSIVE = "testbeam_exclusive"
WORKER_INPUT = "testbeam_session"


def run_of(item: pytest.Item) -> "RunLike | None":
    """Return the run that a test uses, once it has it."""
    found = item.stash.get(RUN, None)
    if found is None and "shared_run" in getattr(item, "fixturenames", ()):
        found = item.config.stash.get(SHARED_RUN, None)
    return found
