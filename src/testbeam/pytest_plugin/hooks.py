"""Hooks of the plugin: its options, the watch over the running test, and the end of what workers share.

pytest loads this in every session on the machine: nothing here costs anything until a test asks for a stack.
"""

import os
from collections.abc import Generator
from typing import Any

import pytest

from testbeam.errors import SettingsError
from testbeam.pytest_plugin.keys import ATTACH, BEGIN, BUNDLES, CRASHES, EXCLUSIVE, REPLACEMENTS, SESSION, STACK, WAIT, WORKER_INPUT, run_of
from testbeam.pytest_plugin.livedata import MARKERS


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("testbeam")
    group.addoption(ATTACH, action="store_true", dest="testbeam_attach", help="use the running stack (testbeam up) of the same declaration")
    group.addoption(
        STACK, dest="testbeam_stack", default="", metavar="NAME", help="use the running stack of this name or id, however it was declared"
    )
    for option, form, what in (
        ("local_build", "ROLE=PATH", "a build of yours"),
        ("command", "ROLE=COMMAND", "a command line"),
        ("external", "ROLE=HOST:PORT", "a service that runs already"),
    ):
        group.addoption(
            REPLACEMENTS[option],
            dest=f"testbeam_{option}",
            action="append",
            default=[],
            metavar=form,
            help=f"{what} in the place of a role or of the service of that name, as `testbeam up` takes it; may be repeated",
        )
    group.addoption(
        WAIT,
        dest="testbeam_wait",
        nargs="?",
        const="",
        metavar="SERVICE",
        help="hold this service, or all, before its first instruction until a debugger lets it go on; use it with -n 0 and one test",
    )
    group.addoption(
        BUNDLES,
        dest="testbeam_bundles",
        default="",
        metavar="FOLDER",
        help="where a failed test's page with logs, timeline and stacks goes (default: runtime/failures below the root folder)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker, and refuse options that don't go together.

    Raises:
        pytest.UsageError: a service is to be held, but the stack is not started here; or a replacement is not of its form.
    """
    from testbeam.pytest_plugin.crashes import CrashWatch

    config.addinivalue_line("markers", f"{EXCLUSIVE}: this test breaks things; it gets a running stack of its own")
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    config.stash[CRASHES] = CrashWatch()
    if config.getoption(WAIT) is not None and (config.getoption(ATTACH) or config.getoption("numprocesses", None)):
        raise pytest.UsageError(f"{WAIT} holds services that are started from this terminal; use it with -n 0 and without {ATTACH}")
    if any(config.getoption(option) for option in REPLACEMENTS.values()):
        from testbeam.pytest_plugin.sharing import replacements_of  # late: few sessions replace something

        try:
            replacements_of(config)
        except SettingsError as error:
            raise pytest.UsageError(str(error)) from None


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist by which name it shares a stack with the others, and with whose end it ends."""
    key = node.config.stash.setdefault(SESSION, os.urandom(6).hex())
    from testbeam.hosting.processes import started_at

    node.workerinput[WORKER_INPUT] = {"key": key, "pid": str(os.getpid()), "started_at": started_at(os.getpid())}


def pytest_unconfigure(config: pytest.Config) -> None:
    """End what the workers have shared."""
    key = config.stash.get(SESSION, None)
    if key is not None:
        from testbeam.pytest_plugin.sharing import end_session

        end_session(key)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Fail a test as soon as a service of its run ends unasked."""
    run = run_of(item)
    if run is None:
        return (yield)
    with item.config.stash[CRASHES].armed(run):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Explain a failure while the services can still be asked, or from what is left of a stack that did not start."""
    report = yield
    run = run_of(item)
    explained = None
    if report.failed and run is not None and BEGIN in item.stash:
        from testbeam.pytest_plugin.failures import explain

        explained = explain(run, item, report)
    elif report.failed and call.excinfo is not None and getattr(call.excinfo.value, "run_folder", None):
        from testbeam.pytest_plugin.failures import explain_start

        explained = explain_start(call.excinfo.value, item, report)  # type: ignore[arg-type]  # only a StackError has a run_folder
    elif report.passed and run is not None:
        from testbeam.pytest_plugin.failures import forget

        forget(item, report.when)
    if explained is not None:
        report.sections.append(("testbeam", explained.told))
        item.user_properties.extend(explained.properties)
        report.user_properties.extend(explained.properties)  # pytest made it with a copy of the item's
    return report
