"""Settings of the whole suite: how hard tests search (long where TESTBEAM_SOAK asks for it), and how workers share them."""

import os
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("quick", max_examples=30, deadline=None)
settings.register_profile("soak", max_examples=1_000, deadline=None)
settings.load_profile("soak" if os.environ.get("TESTBEAM_SOAK") else "quick")


def pytest_configure(config: pytest.Config) -> None:
    """Keep hypothesis' plugin out of the pytest sessions that tests start, a hundred processes: it is 0.6 s of CPU in each."""
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", 0):
        os.environ["PYTEST_ADDOPTS"] = "-p no:hypothesispytest"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let workers begin with what takes long."""
    if hasattr(config, "workerinput"):
        from tests.scheduler import in_order

        items[:] = [items[index] for index in in_order([item.nodeid for item in items])]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep tests together that share a stack."""
    if config.getoption("dist") != "load":  # somebody wants another
        return None
    from tests.scheduler import StackScheduling

    return StackScheduling(config, log)
