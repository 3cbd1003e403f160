"""One contract for all clients that watch PVs: the native ring and ctypes call-backs of Channel Access, PVA, and FAKE."""

import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from testbeam.clients.waiting import wait_for_condition
from testbeam.kit.stack import Stack
from testbeam.model.forwarding import Protocol
from testbeam.model.samples import ConnectionState
from testbeam.model.updates import Form, UpdateBatch
from testbeam.stacks.roles.ioc.declaration import IocHandle, ioc
from testbeam.transport.ca import ring
from testbeam.transport.ca.monitor import CaMonitors
from testbeam.transport.epics_environment import client_environment
from testbeam.transport.monitors.opening import open_monitors
from testbeam.transport.monitors.protocols import Monitors

TYPES = Path(__file__).parents[1] / "forwarder" / "types.db"
WITHIN_S = 60.0

REAL = ("ca-ring", "ca-callbacks", "pva")


class Watch:
    """Monitors and all that they ever said."""

    def __init__(self, monitors: Monitors) -> None:
        self.monitors = monitors
        self.values: list[tuple[int, Any, int, Form, str]] = []
        self.alarms: list[tuple[int, int, int, str]] = []
        self.connections: list[tuple[int, ConnectionState, int]] = []
        self.units: list[tuple[int, str]] = []
        self.problems: list[tuple[int, str]] = []
        self.dropped = 0

    def look(self) -> None:
        self.add(self.monitors.drain())

    def add(self, batch: UpdateBatch) -> None:
        for columns in batch.values:
            self.values += [(stream, value, at, columns.form, columns.dtype) for stream, value, at in columns.rows()]
        alarms, connections, units = batch.alarms, batch.connections, batch.units
        self.alarms += zip(alarms.stream, alarms.timestamp_ns, alarms.severity, alarms.message, strict=True)
        self.connections += zip(connections.stream, connections.state, connections.timestamp_ns, strict=True)
        self.units += zip(units.stream, units.units, strict=True)
        self.problems += batch.problems
        self.dropped += batch.dropped

    def of(self, stream: int) -> list[Any]:
        return [value for number, value, *_ in self.values if number == stream]

    def states(self, stream: int) -> list[ConnectionState]:
        return [state for number, state, _ in self.connections if number == stream]

    def until(self, condition: Callable[[], bool], what: str) -> None:
        def holds() -> bool:
            self.look()
            return condition()

        wait_for_condition(holds, within_s=WITHIN_S, what=what)


@pytest.fixture(scope="module")
def server() -> Iterator[IocHandle]:
    with Stack(ioc(TYPES, prefix="M:")).run() as run:
        handle = run["ioc"]
        assert isinstance(handle, IocHandle)
        yield handle


def opened(kind: str, monkeypatch: pytest.MonkeyPatch, address: str) -> Monitors:
    for name, value in client_environment([address]).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(ring.WITHOUT_VARIABLE, "1" if kind == "ca-callbacks" else "")
    return open_monitors(Protocol[kind.partition("-")[0].upper()], fake_period_ms=20)


@pytest.fixture
def watch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, server: IocHandle) -> Iterator[Watch]:
    monitors = opened(request.param, monkeypatch, server.address)
    yield Watch(monitors)
    monitors.close()
    monitors.close()  # may be called twice


every = pytest.mark.parametrize("watch", [*REAL, "fake"], indirect=True)
real = pytest.mark.parametrize("watch", REAL, indirect=True)


@every
def test_a_pv_is_connected_and_has_a_value_and_an_alarm(watch: Watch) -> None:
    watch.monitors.subscribe(1, "M:DOUBLE")

    watch.until(lambda: bool(watch.values and watch.alarms and watch.connections), "value, alarm and connection")
    stream, value, at_ns, form, dtype = watch.values[0]
    assert (stream, form, dtype) == (1, Form.SCALAR, "f8")
    assert isinstance(value, float)
    assert watch.states(1) == [ConnectionState.CONNECTED]
    assert 0 <= at_ns - watch.connections[0][2] < 1_000_000_000  # that of the first update
    assert [(number, severity) for number, _, severity, _ in watch.alarms] == [(1, 0)]


@every
def test_a_stream_that_is_gone_says_nothing_more(watch: Watch) -> None:
    watch.monitors.subscribe(1, "M:DOUBLE")
    watch.monitors.subscribe(2, "M:LONG")
    watch.until(lambda: bool(watch.of(1) and watch.of(2)), "a value each")
    watch.monitors.unsubscribe(1)
    watch.look()
    count = len(watch.of(1))
    watch.monitors.subscribe(3, "M:LONG")

    watch.until(lambda: bool(watch.of(3)), "the value of a stream added later")
    watch.monitors.unsubscribe(99)  # never was one

    assert len(watch.of(1)) == count


@real
@pytest.mark.parametrize(
    ("record", "form", "dtypes", "value"),
    [
        ("DOUBLE", Form.SCALAR, ("f8",), 1.5),
        ("LONG", Form.SCALAR, ("i4",), -70000),
        ("ENUM", Form.ENUM, ("u2", "i4"), 1),
        ("TEXT", Form.SCALAR, ("U",), "vanadium"),
        ("DOUBLES", Form.ARRAY, ("f8",), [0.5, 1.5, 2.5]),
        ("SHORTS", Form.ARRAY, ("i2",), [-1, 7]),
        ("FLOATS", Form.ARRAY, ("f4",), [0.25]),
    ],
)
def test_every_type_of_value_is_told(watch: Watch, record: str, form: Form, dtypes: tuple[str, ...], value: Any) -> None:
    watch.monitors.subscribe(7, f"M:{record}")

    watch.until(lambda: bool(watch.values), f"the value of {record}")
    _, told, _, told_form, dtype = watch.values[0]
    assert (told_form, dtype in dtypes) == (form, True)
    assert (told.tolist() if isinstance(told, np.ndarray) else told) == value


@real
def test_changes_come_in_their_order_with_their_alarms(watch: Watch, server: IocHandle) -> None:
    watch.monitors.subscribe(4, "M:ALARMED")
    watch.until(lambda: bool(watch.values), "the first value")
    for value in (85.0, 95.0, 10.0):
        server.pv("M:ALARMED").put(value)
        watch.until(lambda value=value: watch.of(4)[-1] == value, f"{value}")  # type: ignore[misc]

    assert watch.of(4)[-3:] == [85.0, 95.0, 10.0]
    assert [severity for *_, severity, _ in watch.alarms][-3:] == [1, 2, 0]
    assert watch.dropped == 0


@real
def test_who_waits_at_a_pipe_is_woken_by_each_update_that_comes_after_a_look(watch: Watch, server: IocHandle) -> None:
    woken, file = os.pipe()
    poll = select.poll()
    poll.register(woken, select.POLLIN)
    watch.monitors.subscribe(8, "M:ALARMED")
    watch.until(lambda: bool(watch.values), "the first value")

    def look_when_woken() -> list[Any]:
        watch.monitors.wake(file)
        watch.monitors.wake(file)  # asked again before anything came, as a loop does
        assert poll.poll(WITHIN_S * 1000)
        os.read(woken, 64)
        watch.look()
        return watch.of(8)[-1:]

    try:
        for value in (21.0, 22.0, 23.0):
            server.pv("M:ALARMED").put(value)
            wait_for_condition(lambda value=value: look_when_woken() == [value], within_s=WITHIN_S, what=f"{value}")  # type: ignore[misc]
    finally:
        watch.monitors.close()  # before the pipe, to which it may still write
        os.close(file)
        os.close(woken)


@real
def test_units_are_told_to_whom_asked_and_again_when_they_change(watch: Watch, server: IocHandle) -> None:
    server.pv("M:DOUBLE.EGU").put("mm")
    watch.monitors.subscribe(5, "M:DOUBLE", units=True)
    watch.monitors.subscribe(6, "M:DOUBLE")
    watch.until(lambda: (5, "mm") in watch.units and bool(watch.of(6)), "the unit")
    server.pv("M:DOUBLE.EGU").put("mK")

    watch.until(lambda: watch.units[-1] == (5, "mK"), "the new unit")

    assert {stream for stream, _ in watch.units} == {5}


@real
def test_a_pv_that_does_not_exist_says_nothing_and_holds_up_none(watch: Watch) -> None:
    watch.monitors.subscribe(1, "M:NOBODY")
    watch.monitors.subscribe(2, "M:LONG")

    watch.until(lambda: bool(watch.of(2)), "the other's value")

    assert watch.of(1) == []
    assert watch.states(1) == []


@pytest.mark.parametrize("kind", REAL)
def test_an_ioc_that_restarts_is_found_again(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Stack(ioc(TYPES, prefix="M:")).run() as run:
        handle = run["ioc"]
        assert isinstance(handle, IocHandle)
        monitors = opened(kind, monkeypatch, handle.address)
        try:
            watch = Watch(monitors)
            monitors.subscribe(1, "M:LONG")
            watch.until(lambda: bool(watch.values), "the first value")
            handle.kill()
            watch.until(lambda: ConnectionState.DISCONNECTED in watch.states(1), "the loss")
            seen = len(watch.values)
            handle.start()
            watch.until(lambda: len(watch.values) > seen, "a value after the restart")
            watch.until(lambda: watch.states(1)[-1] is ConnectionState.CONNECTED, "the connection")
        finally:
            monitors.close()

    assert watch.states(1) == [ConnectionState.CONNECTED, ConnectionState.DISCONNECTED, ConnectionState.CONNECTED]


@pytest.mark.parametrize("kind", REAL)
def test_text_that_is_no_utf_8_bears_a_mark_and_holds_up_no_other(kind: str, latin_1: IocHandle, monkeypatch: pytest.MonkeyPatch) -> None:
    monitors = opened(kind, monkeypatch, latin_1.address)
    watch = Watch(monitors)
    try:
        for number, name in enumerate(("TEXT", "DEGREES", "CHOICE", "PLAIN"), 1):
            monitors.subscribe(number, f"L:{name}", units=True)
        watch.until(lambda: len({stream for stream, *_ in watch.values}) == 4 and len(watch.units) >= 2, "a value of each, and the units")
    finally:
        monitors.close()

    assert [watch.of(number)[0] for number in range(1, 5)] == ["caf\ufffd", 20.0, 0, 1.5]
    assert (2, "\ufffdC") in watch.units


@pytest.fixture(scope="module")
def latin_1(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IocHandle]:
    """An IOC whose database was written in Latin-1, as many an old one."""
    file = tmp_path_factory.mktemp("latin") / "latin.db"
    records = (
        'record(stringout, "$(P)TEXT") { field(VAL, "café") field(PINI, "YES") }',
        'record(ao, "$(P)DEGREES") { field(VAL, "20") field(EGU, "°C") field(DESC, "Température") field(PINI, "YES") }',
        'record(mbbo, "$(P)CHOICE") { field(ZRVL, "0") field(ZRST, "Fermé") field(VAL, "0") field(PINI, "YES") }',
        'record(ao, "$(P)PLAIN") { field(VAL, "1.5") field(PINI, "YES") }',
    )
    file.write_bytes("\n".join(records).encode("latin-1"))
    with Stack(ioc(file, prefix="L:")).run() as run:
        handle = run["ioc"]
        assert isinstance(handle, IocHandle)
        yield handle


@pytest.mark.timeout(200)
@pytest.mark.parametrize("kind", [*REAL, "ca-watch", "pva-watch"])
def test_with_pvs_connected_no_socket_faces_another_machine(kind: str, server: IocHandle) -> None:
    environ = os.environ | client_environment([server.address]) | {ring.WITHOUT_VARIABLE: "1" if kind == "ca-callbacks" else ""}
    program = [
        sys.executable,
        str(Path(__file__).with_name("sockets_of_monitors.py")),
        kind.removesuffix("-ring").removesuffix("-callbacks").upper(),
        "M:LONG",
    ]

    ended = subprocess.run(program, env=environ, capture_output=True, text=True, timeout=150, check=False)

    assert (ended.returncode, ended.stdout) == (0, "connected\n"), ended.stderr


def test_the_ring_counts_what_it_has_no_room_for_and_asks_anew_for_the_newest_value(monkeypatch: pytest.MonkeyPatch) -> None:
    with Stack(ioc(TYPES, prefix="M:", counting=50)).run() as run:
        handle = run["ioc"]
        assert isinstance(handle, IocHandle)
        monkeypatch.setattr("testbeam.transport.ca.monitor.make_receiver", lambda: ring.Ring(capacity=64, blob_capacity=1 << 16, reserve=8))
        monitors = opened("ca-ring", monkeypatch, handle.address)
        assert isinstance(monitors, CaMonitors)
        try:
            watch = Watch(monitors)
            for number in range(20):
                monitors.subscribe(number + 1, f"M:COUNT-{number}")
            watch.until(lambda: len({stream for stream, *_ in watch.values}) == 20, "a value each")
            end_s = time.monotonic() + WITHIN_S
            while not watch.dropped and time.monotonic() < end_s:
                time.sleep(0.5)  # 20 PVs at 10 Hz fill 64 records
                watch.look()
            dropped_at = {stream: watch.of(stream)[-1] for stream in range(1, 21)}
            watch.until(lambda: all(watch.of(stream)[-1] > dropped_at[stream] for stream in range(1, 21)), "newer values of all")
        finally:
            monitors.close()

    assert watch.dropped > 0
    assert os.environ["EPICS_CA_ADDR_LIST"]
