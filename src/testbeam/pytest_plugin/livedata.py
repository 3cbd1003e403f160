"""Fixtures of live-data tests: a Kafka, a dashboard's backend and services on topics of each test's own.

Markers say more: `instrument("bifrost")` (default: dummy), `services("monitor" | "detector" | "reduction")` for `integration_env`, and
`log_level("DEBUG")`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from testbeam.pytest_plugin.fixtures import own_prefix
from testbeam.pytest_plugin.keys import ATTACH

if TYPE_CHECKING:
    from testbeam.clients.livedata.address import LiveDataAddress
    from testbeam.clients.livedata.backend import DashboardBackend
    from testbeam.clients.livedata.processes import ServiceGroup
    from testbeam.kit.protocols import RunLike

MARKERS = (
    "integration: a test with real services on a real Kafka",
    'instrument(name): the instrument of live-data fixtures, such as "bifrost"',
    'services(kind): "monitor", "detector" or "reduction", for integration_env',
    'log_level(name): how much the services of live-data fixtures log, such as "DEBUG"',
)
_GROUPS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "monitor": {"fake_monitors": {"mode": "ev44"}, "monitor_data": {}},
    "detector": {"fake_detectors": {}, "detector_data": {}},
    "reduction": {"fake_monitors": {"mode": "ev44"}, "fake_detectors": {}, "fake_logdata": {}, "data_reduction": {}},
}


@dataclass(frozen=True, slots=True)
class IntegrationEnv:
    """A backend, the services it speaks to, and their instrument."""

    backend: "DashboardBackend"
    services: "ServiceGroup"
    instrument: str


@pytest.fixture(scope="session")
def livedata_broker(request: pytest.FixtureRequest, pytestconfig: pytest.Config) -> "Iterator[RunLike]":
    """Run a broker for the live-data tests of the session, one for all workers of pytest-xdist; attached, that of the stack."""
    if pytestconfig.getoption(ATTACH):
        yield request.getfixturevalue("shared_run")
        return
    from testbeam.kit.stack import Stack
    from testbeam.pytest_plugin import sharing
    from testbeam.stacks.roles.broker.declaration import broker

    with sharing.shared(Stack(broker()), pytestconfig) as run:
        yield run


@pytest.fixture
def livedata_address(livedata_broker: "RunLike", request: pytest.FixtureRequest) -> "Iterator[LiveDataAddress]":
    """Make the topics of this test's own instrument; backends and services of the test go there unless they are told another place."""
    from testbeam.clients.livedata.address import LiveDataAddress, using
    from testbeam.clients.livedata.processes import topics_of

    handle: Any = livedata_broker["broker"]
    prefix = own_prefix(request.node.name)
    handle.create_topics(dict.fromkeys(topics_of(instrument_of(request), prefix), 1))
    with using(LiveDataAddress(bootstrap=handle.bootstrap, prefix=prefix)) as place:
        yield place


@pytest.fixture
def dashboard_backend(livedata_address: "LiveDataAddress", request: pytest.FixtureRequest) -> "Iterator[DashboardBackend]":
    """Give a backend of the test's instrument."""
    del livedata_address
    from testbeam.clients.livedata.backend import DashboardBackend

    with DashboardBackend(instrument_of(request)) as backend:
        yield backend


@pytest.fixture
def monitor_services(livedata_address: "LiveDataAddress", request: pytest.FixtureRequest) -> "Iterator[ServiceGroup]":
    """Run fake_monitors and monitor_data."""
    del livedata_address
    yield from create_service_group(request, _GROUPS["monitor"])


@pytest.fixture
def detector_services(livedata_address: "LiveDataAddress", request: pytest.FixtureRequest) -> "Iterator[ServiceGroup]":
    """Run fake_detectors and detector_data."""
    del livedata_address
    yield from create_service_group(request, _GROUPS["detector"])


@pytest.fixture
def reduction_services(livedata_address: "LiveDataAddress", request: pytest.FixtureRequest) -> "Iterator[ServiceGroup]":
    """Run all fakes and data_reduction."""
    del livedata_address
    yield from create_service_group(request, _GROUPS["reduction"])


@pytest.fixture
def integration_env(dashboard_backend: "DashboardBackend", request: pytest.FixtureRequest) -> IntegrationEnv:
    """Give a backend and the services that the test's marker `services` names, or monitors' where it has none."""
    marker = request.node.get_closest_marker("services")
    kind = marker.args[0] if marker and marker.args else "monitor"
    services: ServiceGroup = request.getfixturevalue(f"{kind}_services")
    return IntegrationEnv(dashboard_backend, services, instrument_of(request))


def create_service_group(request: pytest.FixtureRequest, config: Mapping[str, Any]) -> "Iterator[ServiceGroup]":
    """Run services by name, each with its arguments, or as (module, arguments); a fixture of one's own may `yield from` it."""
    from testbeam.clients.livedata.processes import ServiceGroup, ServiceProcess

    marker = request.node.get_closest_marker("log_level")
    common: dict[str, Any] = {"instrument": instrument_of(request), "log_level": marker.args[0] if marker else "INFO"}
    services = {}
    for name, given in config.items():
        module, arguments = given if isinstance(given, tuple) else (name, given)
        services[name] = ServiceProcess(module, **common, **arguments)
    with ServiceGroup(services) as group:
        yield group


def instrument_of(request: pytest.FixtureRequest) -> str:
    """Return the instrument that a test's marker names, else dummy."""
    marker = request.node.get_closest_marker("instrument")
    return str(marker.args[0]) if marker and marker.args else "dummy"
