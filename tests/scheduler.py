"""Distribution of tests to xdist workers: those that share a stack go to one, so that it is started once, and the slow ones come first.

Tests that need nothing of each other go one by one, wherever a worker is free.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

TOGETHER = (  # their tests share what a session starts, or take turns with it
    "src/testbeam/suites/broker/",
    "src/testbeam/suites/control/",
    "src/testbeam/suites/filewriter/",
    "src/testbeam/suites/forwarder/",
    "src/testbeam/suites/ioc/",
    "src/testbeam/suites/livedata/",
    "tests/integration/audit/",
    "tests/integration/filewriter/",
    "tests/integration/forwarder/",
)
APART = (  # each of their tests starts what it needs
    "tests/integration/cli/",
    "tests/integration/failure_page/",
    "tests/integration/hosting/",
    "tests/integration/kit/",
    "tests/integration/plugin/",
    "tests/integration/stacks/",
    "tests/integration/suites/",
    "tests/system/test_docs.py",
)
FIRST, LAST = "tests/system/", "src/testbeam/suites/"
UNITS = "tests/unit/"


def group_of(nodeid: str) -> str:
    """Return what names the group of a test: its folder, its file, or itself."""
    for folder in TOGETHER:
        if nodeid.startswith(folder):
            return folder
    return nodeid if nodeid.startswith(APART) else nodeid.partition("::")[0]


def in_order(nodeids: Sequence[str]) -> list[int]:
    """Return the order in which tests begin, as indices.

    Whole stacks come first, as they take long. Units are spread evenly between the tests that start processes: while these wait, those
    compute. The suites come last: a stack of theirs stays up from its first test to the end of the session.
    """
    kinds = [_kind(nodeid) for nodeid in nodeids]
    sizes, seen = Counter(kinds), Counter[str]()
    turns = []
    for kind in kinds:
        turns.append(((kind != FIRST) + (kind == LAST), seen[kind] / sizes[kind]))
        seen[kind] += 1
    return sorted(range(len(nodeids)), key=turns.__getitem__)


def _kind(nodeid: str) -> str:
    return next((kind for kind in (FIRST, LAST, UNITS) if nodeid.startswith(kind)), "with processes")


class StackScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Gives out groups of tests, in the order in which they were collected."""

    def __init__(self, config: Any, log: Any = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)
