"""Ports and alarms when a device is away, late, cut off, flooding or back again."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from testbeam.clients import wait_for_condition
from testbeam.clients.pvs import PvHandle
from testbeam.kit.environment import scrubbed
from testbeam.kit.ports import lease
from testbeam.services.ioc.stream.connections import receive
from testbeam.wire.pv_reading import Reading
from tests.integration.ioc.published import FakeDevice

PROTO = r"""
Terminator = LF;
ReplyTimeout = 300;
get { out "?"; in "%f"; }
set { out "= %f"; in "OK"; @init { out "?"; in "%f"; } }
listen { in "NEWS %f"; }
first { in "%f"; }
short { LockTimeout = 200; out "?"; in "%f"; }
slow { ReplyTimeout = 2000; out "slow?"; in "%f"; }
text { out "text?"; in "%s"; }
twice { out "a?"; in "%f"; wait 100; out "b?"; in "%(TEST:OTHER)f"; }
broken { out "%{a|b}"; }
"""
DB = """
record(ai, "TEST:GET") { field(DTYP, "stream") field(INP, "@t.proto get P") }
record(ao, "TEST:SET") { field(DTYP, "stream") field(OUT, "@t.proto set P") }
record(ai, "TEST:NEWS") { field(DTYP, "stream") field(INP, "@t.proto listen P") field(SCAN, "I/O Intr") }
record(ai, "TEST:FIRST") { field(DTYP, "stream") field(INP, "@t.proto first P") }
record(ai, "TEST:SHORT") { field(DTYP, "stream") field(INP, "@t.proto short P") }
record(ai, "TEST:SLOW") { field(DTYP, "stream") field(INP, "@t.proto slow P") }
record(stringin, "TEST:TEXT") { field(DTYP, "stream") field(INP, "@t.proto text P") }
record(ai, "TEST:TWICE") { field(DTYP, "stream") field(INP, "@t.proto twice P") }
record(ai, "TEST:OTHER") { }
record(longout, "TEST:BROKEN") { field(DTYP, "stream") field(OUT, "@t.proto broken P") }
record(ai, "TEST:NOPROTO") { field(DTYP, "stream") field(INP, "@t.proto nothing P") }
"""


class Ioc:
    def __init__(self, address: str, folder: Path, port: int) -> None:
        (folder / "t.proto").write_text(PROTO)
        (folder / "t.db").write_text(DB)
        (folder / "st.cmd").write_text(f'drvAsynIPPortConfigure("P", "{address}:{port}")\ndbLoadRecords("t.db")\niocInit()\n')
        words = [sys.executable, "-m", "testbeam.services.ioc", "--address", address, "--st-cmd", "st.cmd", "--wire-log", "wire"]
        self.folder, self.address = folder, address
        self._log = (folder / "log").open("wb")
        self.process = subprocess.Popen(words, cwd=folder, env=scrubbed(os.environ), stdout=self._log, stderr=subprocess.STDOUT)
        self.begin = time.monotonic()
        self.pvs: dict[str, PvHandle] = {}

    def pv(self, name: str) -> PvHandle:
        if name not in self.pvs:
            self.pvs[name] = PvHandle.at(self.address, f"TEST:{name}", "ca")
        return self.pvs[name]

    def process_record(self, name: str) -> None:
        self.pv(f"{name}.PROC").put(1, wait=False, within_s=60)

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def close(self) -> None:
        for pv in self.pvs.values():
            pv.close()
        self.process.terminate()
        self.process.wait(60)
        self._log.close()


@contextmanager
def ioc_with(device: FakeDevice | None, address: str, folder: Path, port: int = 0) -> Iterator[Ioc]:
    ioc = Ioc(address, folder, device.port if device else port)
    try:
        if device:  # @init of SET comes first
            assert device.hear(b"?\n") == b"?\n"
            device.send(b"1.5\n")
        yield ioc
    finally:
        ioc.close()
        if device:
            device.close()


def has_status(status: str) -> Callable[[Reading], bool]:
    return lambda reading: reading.status == status


@pytest.fixture
def address() -> Iterator[str]:
    leased = lease()
    yield leased.address
    leased.release()


@pytest.fixture
def device(address: str) -> FakeDevice:
    return FakeDevice(address)


def test_init_sets_value_and_alarm_and_a_two_in_proc_runs_it_again(address: str, device: FakeDevice, tmp_path: Path) -> None:
    with ioc_with(device, address, tmp_path) as ioc:
        assert ioc.pv("SET").read(within_s=60).value == 1.5
        assert ioc.pv("SET").read().severity == 0
        ioc.pv("SET.PROC").put(2, wait=False)
        assert device.hear(b"?\n") == b"?\n"
        device.send(b"2.5\n")
        ioc.pv("SET").expect(2.5)
        ioc.pv("SET.PROC").put(1, wait=False)
        assert device.hear(b"= 2.500000\n") == b"= 2.500000\n"
        device.send(b"OK\n")


def test_each_failure_has_its_alarm_and_the_next_answer_ends_it(address: str, device: FakeDevice, tmp_path: Path) -> None:
    with ioc_with(device, address, tmp_path) as ioc:
        for answer, status in ((b"", "TIMEOUT"), (b"3.", "READ"), (b"x\n", "CALC"), (b"1 2\n", "CALC")):
            ioc.process_record("GET")
            assert device.hear(b"?\n") == b"?\n"
            device.send(answer)
            ioc.pv("GET").expect(where=has_status(status), severity=3)
            ioc.process_record("GET")
            assert device.hear(b"?\n") == b"?\n"
            device.send(b"4.5\n")
            ioc.pv("GET").expect(4.5, severity=0)
        ioc.pv("BROKEN").put(7, wait=False)
        ioc.pv("BROKEN").expect(severity=3, where=lambda reading: reading.status == "CALC")
        ioc.process_record("NOPROTO")
        ioc.pv("NOPROTO").expect(severity=3, where=lambda reading: reading.status == "UDF")


def test_a_late_answer_is_never_another_record_s(address: str, device: FakeDevice, tmp_path: Path) -> None:
    with ioc_with(device, address, tmp_path) as ioc:
        ioc.process_record("GET")
        assert device.hear(b"?\n") == b"?\n"
        ioc.pv("GET").expect(severity=3, where=lambda reading: reading.status == "TIMEOUT")
        device.send(b"9.9\n")  # too late
        assert ioc.pv("TEXT").read().value == ""
        ioc.process_record("TEXT")
        assert device.hear(b"text?\n") == b"text?\n"
        device.send(b"hello\n")
        assert ioc.pv("TEXT").expect(severity=0, where=lambda reading: reading.value != "").value == "hello"


def test_a_lock_that_does_not_come_is_a_timeout_while_the_other_goes_on(address: str, device: FakeDevice, tmp_path: Path) -> None:
    with ioc_with(device, address, tmp_path) as ioc:
        ioc.pv("SHORT").read(within_s=60)
        ioc.process_record("SLOW")
        assert device.hear(b"slow?\n") == b"slow?\n"
        ioc.process_record("SHORT")
        ioc.pv("SHORT").expect(severity=3, where=lambda reading: reading.status == "TIMEOUT")
        device.send(b"8\n")
        ioc.pv("SLOW").expect(8.0, severity=0)


def test_news_reach_records_that_listen_also_while_others_talk(address: str, device: FakeDevice, tmp_path: Path) -> None:
    with ioc_with(device, address, tmp_path) as ioc:
        ioc.pv("NEWS").read(within_s=60)
        device.connection()
        for number in range(5):
            device.send(f"NEWS {number}\n".encode())
            ioc.pv("NEWS").expect(float(number), severity=0)
        ioc.process_record("GET")
        assert device.hear(b"?\n") == b"?\n"
        device.send(b"NEWS 77\n")
        ioc.pv("NEWS").expect(77.0)


def test_one_message_fills_two_records(address: str, device: FakeDevice, tmp_path: Path) -> None:
    with ioc_with(device, address, tmp_path) as ioc:
        ioc.pv("TWICE").read(within_s=60)
        ioc.process_record("TWICE")
        for asked, answer in ((b"a?\n", b"1\n"), (b"b?\n", b"2\n")):
            assert device.hear(asked) == asked
            device.send(answer)
        ioc.pv("TWICE").expect(1.0, severity=0)
        ioc.pv("OTHER").expect(2.0, severity=0)


def test_a_connection_cut_in_mid_reply_is_an_alarm_and_the_ioc_comes_back(address: str, device: FakeDevice, tmp_path: Path) -> None:
    with ioc_with(device, address, tmp_path) as ioc:
        ioc.process_record("GET")
        assert device.hear(b"?\n") == b"?\n"
        device.send(b"4")
        device.connection().close()
        device._connection = None
        ioc.pv("GET").expect(severity=3, where=lambda reading: reading.status in ("UDF", "COMM"))
        assert device.hear(b"?\n") == b"?\n"  # @init of SET, once the port is back
        device.send(b"6.5\n")
        ioc.pv("SET").expect(6.5, severity=0, within_s=60)


def test_a_flood_without_terminator_ends_as_a_read_timeout(address: str, device: FakeDevice, tmp_path: Path) -> None:
    with ioc_with(device, address, tmp_path) as ioc:
        ioc.process_record("GET")
        assert device.hear(b"?\n") == b"?\n"
        device.send(b"x" * (1 << 20))
        ioc.pv("GET").expect(severity=3, where=lambda reading: reading.status == "READ", within_s=60)
        ioc.process_record("GET")
        assert device.hear(b"?\n") == b"?\n"
        device.send(b"2\n")
        ioc.pv("GET").expect(2.0, severity=0)


def test_an_empty_datagram_is_not_the_end_of_a_device(address: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        device.bind((address, 0))
        ours.connect(device.getsockname())
        ours.send(b"?")
        _, place = device.recvfrom(10)
        device.sendto(b"", place)
        device.sendto(b"5", place)
        assert [receive(ours.fileno()), receive(ours.fileno())] == [b"", b"5"]
    one, other = socket.socketpair()
    with one:
        other.close()
        assert receive(one.fileno()) is None


def test_a_device_that_never_falls_silent_is_an_alarm_and_fills_neither_memory_nor_disk(
    address: str, device: FakeDevice, tmp_path: Path
) -> None:
    over = threading.Event()

    def flood() -> None:
        with suppress(OSError):
            while not over.is_set():
                device.send(b"x" * (1 << 16))

    with ioc_with(device, address, tmp_path) as ioc:
        ioc.process_record("GET")
        flooding = threading.Thread(target=flood)
        flooding.start()
        try:
            ioc.pv("GET").expect(severity=3, where=lambda reading: reading.status == "UDF", within_s=60)
            wait_for_condition(lambda: "Input has no end after" in ioc.log(), within_s=60)
            ioc.process_record("TEXT")  # what is written behind it: another record's, and its port is not held up
            wait_for_condition(lambda: ioc.log().count("Input has no end after") > 1, within_s=60)
            assert psutil.Process(ioc.process.pid).memory_info().rss < 1_000_000_000
            assert (tmp_path / "wire").stat().st_size < 100_000_000
        finally:
            over.set()
            flooding.join(20)


def test_a_port_that_is_down_is_comm_and_recovers(address: str, tmp_path: Path) -> None:
    with socket.create_server((address, 0)) as taken:
        port = int(taken.getsockname()[1])
    with ioc_with(None, address, tmp_path, port) as ioc:
        ioc.pv("GET").read(within_s=60)
        for name in ("GET", "FIRST"):  # also where the first command is `in`
            ioc.process_record(name)
            ioc.pv(name).expect(severity=3, where=lambda reading: reading.status == "COMM")
            assert ioc.pv(f"{name}.PACT").get() == 0
        errors = ioc.log().count("can't be reached")
        assert errors == 1  # said once, tried again
        with socket.create_server((address, port)) as server:
            server.settimeout(60)
            connection, _ = server.accept()
            with connection:
                connection.settimeout(60)
                assert connection.recv(100) == b"?\n"
                connection.sendall(b"3.25\n")
                ioc.pv("SET").expect(3.25, severity=0, within_s=60)


def test_ports_to_nowhere_do_not_hold_up_the_start(address: str, tmp_path: Path) -> None:
    backlog = socket.socket()
    backlog.bind((address, 0))
    backlog.listen(0)
    filled = [socket.socket() for _ in range(4)]
    for one in filled:
        one.setblocking(False)
        one.connect_ex(backlog.getsockname())
    port = backlog.getsockname()[1]
    (tmp_path / "t.proto").write_text(PROTO)
    records = "".join(f'record(ao, "N{number}") {{ field(DTYP, "stream") field(OUT, "@t.proto set P{number}") }}\n' for number in range(5))
    (tmp_path / "t.db").write_text(records)
    ports = "".join(f'drvAsynIPPortConfigure("P{number}", "{address}:{port}")\n' for number in range(5))
    (tmp_path / "st.cmd").write_text(f'{ports}dbLoadRecords("t.db")\niocInit()\n')
    words = [sys.executable, "-m", "testbeam.services.ioc", "--address", address, "--st-cmd", "st.cmd"]
    begin = time.monotonic()
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(words, cwd=tmp_path, env=scrubbed(os.environ), stdout=log, stderr=subprocess.STDOUT)
    try:
        while not (tmp_path / "records.txt").exists():
            assert time.monotonic() - begin < 15, (tmp_path / "log").read_text()
            time.sleep(0.02)
    finally:
        process.terminate()
        process.wait(60)
        for one in (*filled, backlog):
            one.close()
