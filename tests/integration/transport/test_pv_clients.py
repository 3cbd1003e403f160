"""One contract for clients of single PVs: Channel Access and PVA read, write and watch alike."""

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from testbeam.clients.pvs import PvClient, open_client
from testbeam.clients.waiting import wait_for_condition
from testbeam.errors import TransportError
from testbeam.kit.stack import Stack
from testbeam.stacks.roles.ioc.declaration import IocHandle, ioc

TYPES = Path(__file__).parents[1] / "forwarder" / "types.db"
WITHIN_S = 60.0


@pytest.fixture(scope="module")
def server() -> Iterator[IocHandle]:
    with Stack(ioc(TYPES, prefix="C:")).run() as run:
        handle = run["ioc"]
        assert isinstance(handle, IocHandle)
        yield handle


@pytest.fixture(params=["ca", "pva"])
def client(request: pytest.FixtureRequest, server: IocHandle) -> Iterator[PvClient]:
    host, _, port = server.endpoints[request.param].rpartition(":")
    made = open_client(host, request.param, int(port))
    yield made
    made.close()


@pytest.mark.parametrize(
    ("record", "value"),
    [("LONG", -5), ("DOUBLE", 2.25), ("TEXT", "nickel"), ("DOUBLES", [0.5, 1.0]), ("SHORTS", [-3, 4, 5])],
)
def test_what_is_written_is_read(client: PvClient, record: str, value: Any) -> None:
    client.put(f"C:{record}", value, wait=True, within_s=WITHIN_S)

    assert client.get(f"C:{record}", WITHIN_S).value == value


def test_an_enum_is_its_index_with_its_choices_and_is_written_by_either(client: PvClient) -> None:
    for written in (0, "CC"):
        client.put("C:ENUM", written, wait=True, within_s=WITHIN_S)
    reading = client.get("C:ENUM", WITHIN_S)

    assert (reading.value, reading.choices[:2]) == (1, ("CV", "CC"))


def test_a_reading_bears_alarm_time_and_unit(client: PvClient) -> None:
    client.put("C:ALARMED.EGU", "mm", wait=True, within_s=WITHIN_S)
    client.put("C:ALARMED", 85.0, wait=True, within_s=WITHIN_S)
    reading = client.get("C:ALARMED", WITHIN_S)

    assert (reading.severity, reading.units) == (1, "mm")
    assert "HIGH" in reading.status
    assert reading.timestamp_ns > 1_700_000_000_000_000_000


@pytest.mark.parametrize(("record", "value"), [("LONG", 2**40), ("ENUM", "NOPE")])
def test_what_does_not_fit_is_refused_by_name_and_changes_nothing(client: PvClient, record: str, value: Any) -> None:
    before = client.get(f"C:{record}", WITHIN_S).value

    with pytest.raises(TransportError, match=record):
        client.put(f"C:{record}", value, wait=True, within_s=WITHIN_S)

    assert client.get(f"C:{record}", WITHIN_S).value == before


def test_more_elements_than_a_record_holds_are_refused_over_ca_which_knows_how_many(server: IocHandle) -> None:
    with pytest.raises(TransportError, match="holds 10 elements, 100 were given"):  # over PVA the server cuts them off in silence
        server.pv("C:SHORTS", "ca").put([1] * 100)


def test_a_pv_that_does_not_exist_is_an_error_in_time_that_names_it(client: PvClient) -> None:
    with pytest.raises(TransportError, match="C:NOBODY"):
        client.get("C:NOBODY", 0.5)


def test_a_watch_gives_the_value_of_now_and_then_every_change(client: PvClient) -> None:
    client.put("C:LONG", 0, wait=True, within_s=WITHIN_S)
    seen: list[Any] = []

    def watch() -> None:
        with closing(client.updates("C:LONG", WITHIN_S)) as updates:  # type: ignore[type-var]  # a generator
            for reading in updates:
                seen.append(reading.value)
                if reading.value == 3:
                    return

    watcher = threading.Thread(target=watch)
    watcher.start()
    wait_for_condition(lambda: bool(seen), within_s=WITHIN_S, what="the value of now")
    other = open_client(*_place(client))
    for value in (1, 2, 3):
        other.put("C:LONG", value, wait=True, within_s=WITHIN_S)
    watcher.join(WITHIN_S)
    other.close()

    assert not watcher.is_alive()
    assert seen == [0, 1, 2, 3]


def _place(client: Any) -> tuple[str, Any, int]:
    return client.address, client.protocol.lower(), client.port
