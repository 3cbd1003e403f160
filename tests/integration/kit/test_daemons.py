"""Services that put processes into the background: nothing of them is left after a stop, or the next start says what is in its way."""

import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from testbeam.clients.waiting import wait_for_condition
from testbeam.errors import PortTaken, ServiceDied
from testbeam.kit.probes.file import FileExists
from testbeam.kit.spec import Port, Service
from testbeam.kit.stack import Stack
from tests.integration.kit.small_services import is_alive, listener, sleeper

# A server that has cut every tie: a double fork, a session of its own, an empty environment, and by its last words what else it leaves.
_DAEMON = """
import os, sys, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
if "chdir" in sys.argv: os.chdir("/")
if "null" in sys.argv:
    for fd in (0, 1, 2): os.dup2(os.open("/dev/null", os.O_RDWR), fd)
open(sys.argv[1], "w").write(str(os.getpid()) + "\\n")
time.sleep(1000)
"""


def daemon(*leaves: str, then: str = "exec sleep 1000") -> Service:
    words = " ".join((f"'{sys.executable}' -I -S -c '{_DAEMON}' \"$PWD/pid\"", *leaves))
    return Service("one", command=("sh", "-c", f"env -i PATH=/bin:/usr/bin {words}; {then}"), ready=FileExists("pid"))


@pytest.mark.parametrize("leaves", [(), ("chdir",), ("null",), ("chdir", "null")], ids=" ".join)
@pytest.mark.parametrize("then", ["exec sleep 1000", "while [ ! -e go ]; do sleep 0.01; done; exit 0"], ids=["stays", "ends"])
def test_a_daemon_that_slipped_away_is_gone_after_the_stop(leaves: tuple[str, ...], then: str) -> None:
    with Stack(daemon(*leaves, then=then)).run() as run:
        one = run["one"]
        with one.expect_exit():
            wait_for_condition(lambda: (one.folder / "pid").read_text().endswith("\n"), within_s=60)
            pid = int((one.folder / "pid").read_text())
            assert is_alive(pid)
            (one.folder / "go").touch()
            if then.endswith("exit 0"):
                one.wait_exit()
            one.stop()
        assert not is_alive(pid)


def test_a_daemon_without_any_tie_dies_with_the_run_whatever_else_there_is() -> None:
    with Stack(sleeper("other"), daemon("chdir", "null")).run() as run:
        wait_for_condition(lambda: (run["one"].folder / "pid").read_text().endswith("\n"), within_s=60)
        pid = int((run["one"].folder / "pid").read_text())
        run["one"].stop()
        assert run["other"].is_running()
    assert not is_alive(pid)


def test_a_start_says_who_has_taken_its_port_meanwhile() -> None:
    code = """
import socket, sys
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind((sys.argv[1], int(sys.argv[2])))
server.listen()
print("listens", flush=True)
server.accept()
"""
    with Stack(listener("one")).run() as run:
        one = run["one"]
        one.stop()
        words = [sys.executable, "-c", code, one.address, str(one.ports["main"])]
        with subprocess.Popen(words, stdout=subprocess.PIPE) as stranger:
            assert stranger.stdout is not None
            stranger.stdout.readline()
            where = rf"'one': its port main \({one.ports['main']} of 127\.0\.0\.1\)"
            with pytest.raises(PortTaken, match=rf"{where} is taken by pid {stranger.pid} "):
                one.start()
            os.kill(stranger.pid, signal.SIGKILL)
        one.start()
        assert one.is_running()


_DATAGRAMS = """
import socket, sys
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
if sys.argv[3] == "shared":
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind((sys.argv[1], int(sys.argv[2])))
print("bound", flush=True)
server.recv(1)
"""


@pytest.mark.parametrize(("where", "how", "in_the_way"), [("", "shared", True), ("0.0.0.0", "alone", True), ("0.0.0.0", "shared", False)])
def test_a_start_says_who_has_taken_its_port_for_datagrams(where: str, how: str, in_the_way: bool) -> None:
    with Stack(replace(sleeper("one"), ports=(Port(name="search", transport="udp"),))).run() as run:
        one = run["one"]
        one.stop()
        words = [sys.executable, "-c", _DATAGRAMS, where or one.address, str(one.ports["search"]), how]
        with subprocess.Popen(words, stdout=subprocess.PIPE) as stranger:
            assert stranger.stdout is not None
            stranger.stdout.readline()
            try:
                if in_the_way:
                    with pytest.raises(PortTaken, match=rf"(?s)its port search .* is taken by pid {stranger.pid} .*/udp"):
                        one.start()
                else:
                    one.start()
            finally:
                stranger.kill()
        if in_the_way:
            one.start()
        assert one.is_running()


def test_a_program_that_puts_itself_into_the_background_gets_a_clear_word() -> None:
    with pytest.raises(ServiceDied, match=r"(?s)'one' exited with code 0 .* it has put itself into the background \(pid \d+"):
        Stack(shell_daemon()).run().start()


def shell_daemon() -> Service:
    return Service("one", command=("sh", "-c", "(setsid sleep 1000 &) ; exit 0"), ready=FileExists("never"))
