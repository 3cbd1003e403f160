"""Fixtures over a running stack: declare it once (or take the reference stack), and every test shares it under names of its own."""

from testbeam.pytest_plugin.fixtures import _shared_runs, name, pv, run, shared_run, smoke_client, stack, topic
from testbeam.pytest_plugin.hooks import (
    pytest_addoption,
    pytest_configure,
    pytest_configure_node,
    pytest_runtest_call,
    pytest_runtest_makereport,
    pytest_unconfigure,
)
from testbeam.pytest_plugin.livedata import (
    dashboard_backend,
    detector_services,
    integration_env,
    livedata_address,
    livedata_broker,
    monitor_services,
    reduction_services,
)

__all__ = [
    "_shared_runs",
    "dashboard_backend",
    "detector_services",
    "integration_env",
    "livedata_address",
    "livedata_broker",
    "monitor_services",
    "name",
    "pv",
    "pytest_addoption",
    "pytest_configure",
    "pytest_configure_node",
    "pytest_runtest_call",
    "pytest_runtest_makereport",
    "pytest_unconfigure",
    "reduction_services",
    "run",
    "shared_run",
    "smoke_client",
    "stack",
    "topic",
]
