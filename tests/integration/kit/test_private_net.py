import subprocess
import sys
import threading

import pytest

from testbeam.kit import private_net

BIND = "import socket, sys; s = socket.create_server(('127.0.0.1', 9092)); print('bound', flush=True); sys.stdin.read()"
PRIVATE = (sys.executable, "-m", "testbeam", "private")

allowed = pytest.mark.skipif(not private_net.is_allowed(), reason="this kernel forbids unprivileged user namespaces")


@allowed
def test_three_commands_bind_the_same_port_at_once() -> None:
    processes = [
        subprocess.Popen(
            (*PRIVATE, sys.executable, "-c", BIND), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for _ in range(3)
    ]
    guard = threading.Timer(60, lambda: [p.kill() for p in processes])  # type: ignore[func-returns-value]
    guard.start()
    try:
        assert [p.stdout.readline() for p in processes if p.stdout] == ["bound\n"] * 3
    finally:
        guard.cancel()
        for process in processes:
            process.communicate("")
    assert [process.returncode for process in processes] == [0, 0, 0]


@allowed
def test_the_command_keeps_its_user_options_and_exit_code() -> None:
    done = subprocess.run((*PRIVATE, "sh", "-c", "id -u; exit 7"), capture_output=True, text=True, check=False, timeout=60)

    assert (done.stdout, done.returncode) == (f"{__import__('os').getuid()}\n", 7)


def test_a_command_that_is_not_there_is_named() -> None:
    done = subprocess.run((*PRIVATE, "no-such-program"), capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode != 0
    assert "no-such-program" in done.stderr or "no private network" in done.stderr
    assert "Traceback" not in done.stderr
