"""Every published step holds on records of a running IOC, byte for byte."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbeam.kit.environment import scrubbed
from testbeam.kit.ports import lease
from tests.integration.ioc import published
from tests.integration.ioc.published import FakeDevice, Step

CHECKSUM_LINES = [line.split("\t") for line in (published.DATA / "streamdevice-checksums.tsv").read_text().split("\n")[1:] if line]


class RunningIoc:
    """An IOC with all published records, its shell, and a device for each test."""

    def __init__(self, address: str, folder: Path) -> None:
        self.devices = {test: FakeDevice(address) for test in (*published.tests(), "checksums")}
        text = "".join(published.database(test, folder) for test in published.tests()) + checksum_database(folder)
        (folder / "all.db").write_text(text, encoding="latin-1")
        script = "".join(f'drvAsynIPPortConfigure("port-{test}", "{address}:{device.port}")\n' for test, device in self.devices.items())
        script += 'asynOctetSetOutputEos port-testOutTerminators -1 "A\\n"\ndbLoadRecords("all.db")\niocInit()\n'
        (folder / "st.cmd").write_text(script)
        self._folder = folder
        environment = {**scrubbed(os.environ), "TZ": "Europe/Zurich", "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, "-m", "testbeam.services.ioc", "--address", address, "--st-cmd", "st.cmd", "--shell-socket", "shell"]
        self._log = (folder / "log").open("wb")
        self._process = subprocess.Popen(command, cwd=folder, env=environment, stdout=self._log, stderr=subprocess.STDOUT)
        self._shell = self._connect(folder / "shell")

    def _connect(self, path: Path) -> socket.socket:
        shell, end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), time.monotonic() + 20
        while not (self._folder / "records.txt").exists():
            assert self._process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < end, "the IOC does not come up"
            time.sleep(0.01)
        shell.connect(str(path))
        return shell

    def command(self, line: str) -> str:
        self._shell.sendall(line.encode("latin-1") + b"\n")
        answer = b""
        while not answer.endswith(b"\0"):
            answer += self._shell.recv(65_536)
        return answer.rstrip(b"\0").decode()

    def settle(self, record: str) -> None:
        """Wait until a record is done."""
        end = time.monotonic() + 60
        while " 1" in self.command(f"dbgf {record}.PACT") and time.monotonic() < end:
            time.sleep(0.01)

    def log(self) -> str:
        return (self._folder / "log").read_text(errors="replace")

    def close(self) -> None:
        self._shell.close()
        self._process.terminate()
        self._process.wait(60)
        self._log.close()
        for device in self.devices.values():
            device.close()


def checksum_database(folder: Path) -> str:
    protocols, records = ["Terminator = LF;\n"], []
    for number, (out, read, *_) in enumerate(CHECKSUM_LINES):
        reads = f' in "{read}";' if read else ""
        protocols.append(f'p{number} {{ out "{out}";{reads} }}\n')
        records.append(
            f'record(stringout, "SUM:{number}") {{ field(DTYP, "stream") field(OUT, "@sums.proto p{number} port-checksums") }}\n'
        )
    (folder / "sums.proto").write_text("".join(protocols))
    return "".join(records)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIoc]:
    leased = lease()
    ioc = RunningIoc(leased.address, tmp_path_factory.mktemp("published"))
    yield ioc
    ioc.close()
    leased.release()


@pytest.mark.parametrize("test", published.tests())
def test_published_steps(test: str, running: RunningIoc) -> None:
    device = running.devices[test]
    for step in published.of_test(test):
        _trigger(step, running)
        for direction, data in step.exchange:
            if direction == "<":
                device.send(data)
                _wait_for_long_input(step, data, running)
            else:
                assert device.hear(data) == data, f"{step.case}: {running.log()[-2000:]}"
        if step.settles and step.record != "?":
            running.settle(published.renamed(step.record, test))
    assert device.surplus() == b""


def _trigger(step: Step, running: RunningIoc) -> None:
    name = published.renamed(step.record, step.test)
    if step.exchange[0][0] == "<" and "long" in str(step.test).lower() and len(step.exchange[0][1]) > 1000:
        return  # what the device says by itself comes first
    _process(step, name, running)


def _process(step: Step, name: str, running: RunningIoc) -> None:
    kind, _, value = step.trigger.partition(" ")
    if kind == "put":
        running.command(f'dbpf {name} "{value}"')
    elif kind == "process":
        running.command(f"dbpf {name}.PROC 1")


def _wait_for_long_input(step: Step, data: bytes, running: RunningIoc) -> None:
    """Let the IOC take in a long message, and only then process the record that tells of it."""
    if len(data) < 1000:
        return
    end = time.monotonic() + 60
    while "500" not in running.command(f"dbgf {step.test}:count") and time.monotonic() < end:
        time.sleep(0.01)
    if step.test == "testSpyOnLongInput":
        running.settle(f"{step.test}:request")
    _process(step, published.renamed(step.record, step.test), running)


@pytest.mark.parametrize("number", range(len(CHECKSUM_LINES)))
def test_published_checksums(number: int, running: RunningIoc) -> None:
    _, read, value, sent, accepted = CHECKSUM_LINES[number]
    device = running.devices["checksums"]
    if not read:
        return  # the value that the line before has left, or the end of the list
    running.command(f'dbpf SUM:{number} "{value}"')
    assert device.hear(published.raw(sent)) == published.raw(sent)
    device.send(published.raw(accepted))
    running.settle(f"SUM:{number}")
    assert "NO_ALARM" in running.command(f"dbgf SUM:{number}.SEVR")
    assert f"SUM:{number}: " not in running.log()
    following = CHECKSUM_LINES[number + 1] if number + 1 < len(CHECKSUM_LINES) else None
    if following is not None and following[0] == "%s" and not following[1]:
        assert published.raw(following[3]).decode().strip() in running.command(f"dbgf SUM:{number}")
