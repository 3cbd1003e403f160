"""How hard the tests search (quickly each time, long where TESTBEAM_SOAK asks for it), and what sessions within tests leave out."""

import os

import pytest
from hypothesis import settings

settings.register_profile("quick", max_examples=30, deadline=None)
settings.register_profile("soak", max_examples=1_000, deadline=None)
settings.load_profile("soak" if os.environ.get("TESTBEAM_SOAK") else "quick")


def pytest_configure(config: pytest.Config) -> None:
    """Keep hypothesis' plugin out of the pytest sessions that tests start, a hundred processes: it is 0.6 s of CPU in each."""
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", 0):
        os.environ["PYTEST_ADDOPTS"] = "-p no:hypothesispytest"
