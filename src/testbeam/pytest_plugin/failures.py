"""Page of a failed test, with what every service did in its time."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from testbeam.pytest_plugin.keys import BEGIN, BUNDLES, PAGES_OF_STARTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from testbeam.errors import StackError
    from testbeam.kit.journal import Event
    from testbeam.kit.protocols import RunLike

_DEFAULT = "runtime/failures"
_MOST = 30  # changes of one service: a session may have restarted it for each test


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """What is told below a failure, and what a file of JUnit gets as properties of the test."""

    told: str
    properties: tuple[tuple[str, str], ...] = ()


def explain(run: "RunLike", item: pytest.Item, report: pytest.TestReport) -> Explained:
    """Write the bundle of a test's failed phase; return where it is, or why there is none."""
    from testbeam.report.failure.bundle import bundle  # late: only a failure needs it

    begin, when = item.stash[BEGIN], report.when
    try:
        end = run.mark("failed", test=item.nodeid)
        page = bundle(run, folder(item.config), test=item.nodeid, error=report.longreprtext, begin=begin, end=end, when=when)
        properties = {"testbeam_page": str(page), "testbeam_timeline": timeline(run.journal.events, run.handles, begin, end)}
    except Exception as trouble:  # whatever it is, the test's own failure must be told
        return Explained(told=f"the failure could not be explained: {type(trouble).__name__}: {trouble}")
    of_phase = "" if when == "call" else f"_{when}"
    return Explained(
        told=f"what happened, with all logs: {page}", properties=tuple((f"{name}{of_phase}", text) for name, text in properties.items())
    )


def explain_start(error: "StackError", item: pytest.Item, report: pytest.TestReport) -> Explained:
    """Write the bundle of a stack that did not start, once a session; return where it is, or why there is none."""
    from testbeam.report.failure.bundle import bundle_of_start  # late: only a failure needs it

    run_folder = error.run_folder
    assert run_folder is not None
    pages = item.config.stash.setdefault(PAGES_OF_STARTS, {})
    try:
        if run_folder not in pages:
            told = "\n".join([report.longreprtext, *getattr(error, "__notes__", ())])
            pages[run_folder] = bundle_of_start(run_folder, folder(item.config), test=item.nodeid, error=told)
    except Exception as trouble:  # whatever it is, the test's own failure must be told
        return Explained(told=f"the failed start could not be explained: {type(trouble).__name__}: {trouble}")
    page = str(pages[run_folder])
    return Explained(told=f"what happened in the start of the stack, with all logs: {page}", properties=(("testbeam_page_setup", page),))


def forget(item: pytest.Item, when: str) -> None:
    """Remove the page of an earlier session of a test's phase that passes by now."""
    of_failures = folder(item.config)
    if of_failures.exists():
        from testbeam.report.failure.bundle import remove

        remove(of_failures, item.nodeid, when)


def timeline(events: "Iterable[Event]", services: "Iterable[str]", begin: "Event", end: "Event") -> str:
    """Return what became of each service, a line each, in seconds since the test began."""
    from testbeam.kit.journal_views import changes, since  # late: only a failure needs it

    found = changes(events, services, begin.at_ns)
    lines = [f"{name}: {', '.join(_last(of_service)) or 'nothing'}" for name, of_service in found.items()]
    return "\n".join([f"seconds since the test began; it failed at {since(begin.at_ns, end)}", *lines])


def folder(config: pytest.Config) -> Path:
    """Return where the pages of this session go."""
    given = config.getoption(BUNDLES)
    return Path(given).absolute() if given else config.rootpath / _DEFAULT


def _last(changes: list[str]) -> list[str]:
    return changes if len(changes) <= _MOST else [f"… {len(changes) - _MOST} before", *changes[-_MOST:]]
