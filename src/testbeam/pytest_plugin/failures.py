"""Where a failed test is explained: a page with what every service did in its time."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from testbeam.pytest_plugin.keys import BEGIN, BUNDLES

if TYPE_CHECKING:
    from testbeam.pytest_plugin.keys import AnyRun

_DEFAULT = "runtime/failures"


def explain(run: "AnyRun", item: pytest.Item, error: str) -> str:
    """Write the bundle of a test; return where it is, or why there is none."""
    from testbeam.stacks.explain.bundle import bundle  # late: only a failure needs it

    given = item.config.getoption(BUNDLES)
    folder = Path(given).absolute() if given else item.config.rootpath / _DEFAULT
    try:
        end = run.mark("failed", test=item.nodeid)
        page = bundle(run, folder, test=item.nodeid, error=error, begin=item.stash[BEGIN], end=end)
    except Exception as trouble:  # whatever it is, the test's own failure must be told
        return f"the failure could not be explained: {type(trouble).__name__}: {trouble}"
    return f"what happened, with all logs: {page}"
