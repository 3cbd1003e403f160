"""Fixtures over a running stack: declare it once (or take the reference stack), and every test shares it under names of its own."""

from testbeam.pytest_plugin.fixtures import name, pv, run, shared_run, stack, topic
from testbeam.pytest_plugin.hooks import (
    pytest_addoption,
    pytest_configure,
    pytest_configure_node,
    pytest_runtest_call,
    pytest_runtest_makereport,
    pytest_unconfigure,
)

__all__ = [
    "name",
    "pv",
    "pytest_addoption",
    "pytest_configure",
    "pytest_configure_node",
    "pytest_runtest_call",
    "pytest_runtest_makereport",
    "pytest_unconfigure",
    "run",
    "shared_run",
    "stack",
    "topic",
]
