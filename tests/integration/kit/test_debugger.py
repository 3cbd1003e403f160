"""A held service waits for its debugger, and nobody's deadline passes meanwhile."""

import json
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from testbeam.errors import StackError
from testbeam.kit.debugger import announcer, held
from testbeam.kit.probes.log_line import LogLine
from testbeam.kit.probing import kernel_state
from testbeam.kit.run import Run
from testbeam.kit.spec import Service
from testbeam.kit.stack import Stack

NATIVE = Service("native", command=("/bin/sh", "-c", "echo up; exec sleep 1000"), ready=LogLine("up"), ready_timeout_s=0.5)
AFTER = Service("after", command=("sleep", "1000"), needs=("native",), ready_timeout_s=0.5)
MODULE = Service(
    "module", command=("${python}", "-m", "http.server", "--bind", "127.0.0.1", "0"), ready=LogLine("Serving"), ready_timeout_s=0.5
)


class Starting:
    """A run that starts in another thread, since its services are held."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.said: queue.Queue[str] = queue.Queue()
        self.run: Run = stack.run(folder, on_event=announcer(stack, self.said.put))
        self.thread = threading.Thread(target=self.run.start)

    def __enter__(self) -> "Starting":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.thread.join(30)
        self.run.stop()


def held_pid(words: str) -> int:
    found = re.search(r"pid (\d+)", words)
    assert found
    return int(found[1])


def test_a_native_service_is_stopped_with_its_own_pid_until_told_to_go_on(tmp_path: Path) -> None:
    with Starting(held(Stack(NATIVE, AFTER), ["native"]), tmp_path) as starting:
        words = starting.said.get(timeout=60)
        pid = held_pid(words)
        assert f"gdb -p {pid}" in words
        starting.thread.join(2.0)  # four times its deadline
        assert starting.thread.is_alive()
        assert kernel_state(pid) == "T"

        os.kill(pid, signal.SIGCONT)
        starting.thread.join(60)

        assert starting.run["native"].pid == pid
        assert starting.run["after"].is_running()


@pytest.mark.skipif(shutil.which("gdb") is None, reason="gdb is not installed here")
def test_gdb_attaches_and_lets_it_go_on(tmp_path: Path) -> None:
    with Starting(held(Stack(NATIVE), [""]), tmp_path) as starting:
        pid = held_pid(starting.said.get(timeout=60))

        done = subprocess.run(
            ["gdb", "--batch", "-nx", "-p", str(pid), "-ex", "info inferiors", "-ex", "signal SIGCONT &", "-ex", "detach"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        os.kill(pid, signal.SIGCONT)
        starting.thread.join(60)

        assert f"process {pid}" in done.stdout
        assert starting.run["native"].is_running()


def test_a_python_service_waits_in_debugpy_for_its_client(tmp_path: Path) -> None:
    with Starting(held(Stack(MODULE), ["module"]), tmp_path) as starting:
        words = starting.said.get(timeout=60)
        connect = json.loads(re.search(r'"connect": (\{.*?\})', words)[1])  # type: ignore[index]
        starting.thread.join(1.5)
        assert starting.thread.is_alive()

        with DebugAdapter(connect["host"], connect["port"]) as adapter:
            adapter.attach_and_continue()
            starting.thread.join(20)

        assert not starting.thread.is_alive()
        assert starting.run["module"].is_running()


def test_a_wrong_name_is_answered_with_a_near_one() -> None:
    with pytest.raises(StackError, match=r"=nativ: no such service.*did you mean native\?"):
        held(Stack(NATIVE), ["nativ"])


class DebugAdapter:
    """The few words of the debug adapter protocol by which a client attaches and lets the program run."""

    def __init__(self, host: str, port: int) -> None:
        for _ in range(200):
            try:
                self.socket = socket.create_connection((host, port), 10)
                break
            except ConnectionRefusedError:
                threading.Event().wait(0.05)
        self.file = self.socket.makefile("rwb")
        self.number = 0

    def __enter__(self) -> "DebugAdapter":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.socket.close()

    def send(self, command: str, **arguments: Any) -> None:
        self.number += 1
        body = json.dumps({"seq": self.number, "type": "request", "command": command, "arguments": arguments}).encode()
        self.file.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.file.flush()

    def wait(self, wanted: str) -> None:
        while True:
            length = 0
            while line := self.file.readline().strip():
                length = int(line.split(b":")[1])
            message = json.loads(self.file.read(length))
            if wanted in (message.get("event"), message.get("command")):
                return

    def attach_and_continue(self) -> None:
        self.send("initialize", adapterID="test", clientID=sys.executable)
        self.wait("initialize")
        self.send("attach", name="test")
        self.wait("initialized")
        self.send("configurationDone")
        self.wait("configurationDone")
