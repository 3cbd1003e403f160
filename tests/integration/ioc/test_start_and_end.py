import signal
import socket
import struct
import time
from pathlib import Path

import pytest

from testbeam.errors import PortTaken
from testbeam.model.deadline import Deadline
from testbeam.services.ioc import sockets
from testbeam.services.ioc.service import SLEEP_SKIPPED
from testbeam.transport.ca.client import CaClient
from testbeam.transport.ca.search import search
from testbeam.transport.loopback import keep_on_loopback
from tests.integration.ioc.conftest import StartIoc

BAD = {
    "type": ('record(nosuch, "$(P)A") { }', "line 1", "Record type 'nosuch'"),
    "field": ('record(ai, "$(P)A") {\n  field(VAL, "1.5")\n  field(NOPE, "1.5")\n}', "line 3", "doesn't have a field 'NOPE'"),
    "macro": ('record(ai, "$(P)$(Q)") { }', "line 1", "macro Q has no value; give --macro Q=VALUE"),
    "value": ('record(ai, "$(P)A") {\n  field(VAL, "abc")\n}', "line 2", "Can't set 'T:A.VAL' to 'abc'"),
    "device": ('record(ai, "$(P)A") {\n  field(DTYP, "asynInt32")\n}', "line 2", "no such device support"),
    "syntax": (
        'record(ai, "$(P)A") {\n  field(DESC "1.5")\n}',
        "line 2",
        "expected ',', not '1.5'\n      field(DESC \"1.5\")\n                 ^",
    ),
    "brace": ('record(ai, "$(P)A") {\n  field(VAL, "1"\n', "line 2", "'(' is never closed"),
    "include": ('include "nofile.db"', "line 1", "Can't open include file 'nofile.db'"),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_faulty_database_ends_the_ioc_with_an_error_that_names_file_line_and_fault(
    fault: str, start_ioc: StartIoc, address: str, tmp_path: Path
) -> None:
    text, line, problem = BAD[fault]
    file = tmp_path / f"{fault}.db"
    file.write_text(text)

    process = start_ioc("--address", address, "--db", f"{file},P=T:")
    output, _ = process.communicate(timeout=60)

    last = output[output.index("StackError") :]
    assert process.returncode == 3
    assert f"{file}, {line}: " in last
    assert problem in last
    assert "\x1b" not in output  # base's colours, in a file
    assert not (tmp_path / "records.txt").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--db", "missing.db"), "'missing.db' can't be used; give the path of a database file that can be read"),
        (("--macro", "P"), "'P' can't be used; give macros as NAME=VALUE"),
        (("--address", "0.0.0.0"), "'0.0.0.0' can't be used; give a loopback address"),
        (("--records-file", "nowhere/records.txt"), "'nowhere/records.txt' can't be used; give a file in a folder that exists"),
        (("--peer", "10.0.0.1"), "'10.0.0.1' can't be used; give a loopback address"),
    ],
)
def test_an_option_that_can_not_be_used_ends_the_ioc_with_what_to_give(
    options: tuple[str, ...], words: str, start_ioc: StartIoc, address: str
) -> None:
    process = start_ioc("--address", address, *options)
    output, _ = process.communicate(timeout=60)

    assert process.returncode == 2
    assert words in output.strip().splitlines()[-1]


def test_a_database_without_a_record_ends_the_ioc(start_ioc: StartIoc, address: str, tmp_path: Path) -> None:
    (tmp_path / "empty.db").write_text("# nothing\n")

    process = start_ioc("--address", address, "--db", "empty.db")
    output, _ = process.communicate(timeout=60)

    assert process.returncode == 2
    assert "at least one database that holds a record" in output


def wait_ready(address: str) -> None:
    with CaClient(address) as client:
        client.channel("VOLT", within_s=60).get()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_ioc_in_order(number: signal.Signals, start_ioc: StartIoc, address: str) -> None:
    process = start_ioc("--address", address)
    wait_ready(address)

    process.send_signal(number)
    output, _ = process.communicate(timeout=60)

    assert process.returncode == 0
    assert output.strip().endswith("ioc: stopped")


def test_the_log_of_a_healthy_ioc_warns_of_nothing(start_ioc: StartIoc, address: str) -> None:
    process = start_ioc("--address", address)
    wait_ready(address)
    with socket.create_connection((address, 5075), 5) as client:
        assert client.recv(1)  # it is in the middle of what the server has to say
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset: clients go so every day
    with socket.create_connection((address, 5075), 5) as client:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        while client.recv(4096):  # until the server has had enough, and by then it has seen the other go
            pass

    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)

    assert "iocRun: All initialization complete" in output
    assert [line for line in output.splitlines() if "Warning" in line or "ERR " in line] == []
    assert "Protocol decode fault" in output  # what is wrong is said


def test_standard_input_at_its_end_is_no_reason_to_end(start_ioc: StartIoc, address: str) -> None:
    process = start_ioc("--address", address)
    wait_ready(address)

    assert process.poll() is None


def test_a_second_ioc_at_the_same_address_is_an_error(start_ioc: StartIoc, address: str) -> None:
    start_ioc("--address", address)
    wait_ready(address)

    second = start_ioc("--address", address, "--records-file", "second.txt")
    output, _ = second.communicate(timeout=60)

    assert second.returncode == 3
    assert f"PortTaken: TCP port 5064 at {address} is held by another process" in output


def test_with_only_the_pva_port_taken_it_is_an_error_too(start_ioc: StartIoc, address: str) -> None:
    with socket.create_server((address, 5075)):
        process = start_ioc("--address", address)
        output, _ = process.communicate(timeout=60)

    assert process.returncode == 3
    assert f"port 5075 at {address}" in output


def test_a_port_that_was_lost_while_base_started_is_noticed(address: str) -> None:
    with pytest.raises(PortTaken, match=f"port 5064 at {address}"):
        sockets.check_held(address, (5064, 5075))
    with socket.create_server((address, 5064)), socket.create_server((address, 5075)):
        sockets.check_held(address, (5064, 5075))


def test_an_ioc_takes_a_port_right_after_the_one_before_it(start_ioc: StartIoc, address: str) -> None:
    for _ in range(2):
        process = start_ioc("--address", address)
        wait_ready(address)
        process.kill()
        process.wait(60)


def test_the_ioc_answers_searches_at_its_address_and_nowhere_else(start_ioc: StartIoc, address: str) -> None:
    start_ioc("--address", address)
    wait_ready(address)

    assert search(address, "VOLT", Deadline(2)) == 5064
    assert search(address, "NO-SUCH-PV", Deadline(0.1)) is None
    assert search("127.0.0.1", "VOLT", Deadline(0.1)) is None


def test_a_socket_open_to_all_machines_is_tied_to_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("0.0.0.0", 0))

        assert keep_on_loopback() == []
        assert keep_on_loopback() == []  # an ordinary user may tie a socket once only
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16).rstrip(b"\0") == b"lo"


def test_iocinit_sleeps_as_base_was_built_unless_it_is_told_not_to(start_ioc: StartIoc, address: str) -> None:
    started_s = time.monotonic()
    process = start_ioc("--address", address)
    wait_ready(address)
    assert time.monotonic() - started_s > 0.5
    process.terminate()
    assert SLEEP_SKIPPED not in process.communicate(timeout=60)[0]

    process = start_ioc("--address", address, "--skip-init-sleep")
    wait_ready(address)
    process.terminate()
    assert SLEEP_SKIPPED in process.communicate(timeout=60)[0]
