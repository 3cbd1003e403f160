"""The poller over a real cache: follows what the daemon has loaded, polls what can be polled, and starts a dead worker anew."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testbeam.clients.waiting import wait_for_condition
from testbeam.kit.run import Run
from testbeam.kit.stack import Stack
from testbeam.services.control.poller.service import Poller
from testbeam.services.control.poller.settings import PollerSettings
from testbeam.stacks.roles.control.declaration import control
from testbeam.transport.nicos.cache import CacheClient

SETUP = """
devices = dict(
    x=device("nicos.devices.generic.VirtualMotor", unit="mm", pollinterval=0.1),
    hidden=device("nicos.devices.generic.VirtualMotor", pollinterval=0.1),
    other=device("nicos.devices.generic.DeviceAlias", alias="x"),
    odd=device("some.Unknown"),
    s=device("nicos.devices.generic.Switcher", moveable="x", mapping=dict(a=0.0), pollinterval=0.1),
)
"""


@pytest.fixture(scope="module")
def cache_run() -> Iterator[Run]:
    with Stack(control(name="cache", part="cache")).run() as run:
        yield run


@pytest.fixture
def cache(cache_run: Run) -> Iterator[CacheClient]:
    host, _, port = cache_run["cache"].endpoints["cache"].partition(":")
    client = CacheClient(host, int(port))
    assert client.wait_connected(10)
    yield client
    client.close()


@pytest.fixture
def poller(cache_run: Run, tmp_path: Path) -> Iterator[Poller]:
    (tmp_path / "one.py").write_text(SETUP)
    (tmp_path / "two.py").write_text('devices = dict(y=device("nicos.devices.generic.VirtualMotor", pollinterval=0.1))')
    poller = Poller(PollerSettings(setups=(tmp_path,), cache=cache_run["cache"].endpoints["cache"], blacklist=("hidden",)))
    stop = threading.Event()
    thread = threading.Thread(target=poller.run, args=(stop,))
    thread.start()
    yield poller
    stop.set()
    thread.join(60)
    poller.close()


def test_loaded_setups_are_polled_and_others_are_not(cache: CacheClient, poller: Poller) -> None:
    cache.put("session/mastersetup", ["one"])
    assert wait_for_condition(lambda: cache.get("x/value"), within_s=60).value == 0
    assert wait_for_condition(lambda: cache.get("s/value"), within_s=60).value == "a"
    assert cache.get("hidden/value") is None
    assert cache.get("y/value") is None

    cache.put("session/mastersetup", ["two", "gone"])
    wait_for_condition(lambda: cache.get("y/value"), within_s=60)
    wait_for_condition(lambda: set(poller._workers) == {"two"}, within_s=60)


def test_a_worker_that_died_is_started_anew(cache: CacheClient, poller: Poller) -> None:
    cache.put("session/mastersetup", ["two"])
    first: Any = wait_for_condition(lambda: poller._workers.get("two"), within_s=60)
    wait_for_condition(lambda: first._session.devices, within_s=60)
    first._session.woken = None
    wait_for_condition(lambda: not first.is_alive(), within_s=60)

    def another() -> Any:
        found = poller._workers.get("two")
        return None if found is first else found

    assert wait_for_condition(another, within_s=60).is_alive()
    cache.delete("y/value")
    wait_for_condition(lambda: cache.get("y/value"), within_s=60)


def test_a_parameter_that_the_user_changes_reaches_the_poller(cache: CacheClient, poller: Poller) -> None:
    cache.put("session/mastersetup", ["two"])
    worker = wait_for_condition(lambda: poller._workers.get("two"), within_s=60)
    device = wait_for_condition(lambda: worker._session.devices.get("y"), within_s=60)
    cache.put("y/warnlimits", (5.0, 6.0))
    wait_for_condition(lambda: device.warnlimits == (5.0, 6.0), within_s=60)

    assert wait_for_condition(lambda: (found := cache.get("y/status")) is not None and found.value[0] == 210, within_s=60)
