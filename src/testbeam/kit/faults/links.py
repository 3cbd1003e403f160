"""Links of a run: one proxy process stands before all ports that are declared to be relayed."""

import itertools
import marshal
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from testbeam.errors import StackError
from testbeam.kit.environment import RUN_ID
from testbeam.kit.faults.proxy.loop import listening
from testbeam.kit.logs import tail

_PROGRAM = "import sys; sys.path.insert(0, sys.argv[2]); from testbeam.kit.faults.proxy.program import main; main(int(sys.argv[1]))"
_ANSWER_S = 30.0
_END_S = 5.0


class Links:
    """Opens links and sets their conditions; safe from any thread. The process starts with the first link.

    on_death: called, from a thread of this object, if the process ends unasked.
    """

    def __init__(self, run_id: str, log_path: Path, on_death: Callable[[str], None]) -> None:
        self._run_id = run_id
        self._log_path = log_path
        self._on_death = on_death
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._reader: threading.Thread | None = None
        self._names: set[str] = set()
        self._answers: dict[int, tuple[threading.Event, dict[str, Any]]] = {}
        self._numbers = itertools.count(1)
        self._closing = False
        self._lock = threading.Lock()

    @property
    def names(self) -> frozenset[str]:
        """Return the links that are open."""
        return frozenset(self._names)

    @property
    def pid(self) -> int | None:
        """Return the pid of the proxy; None where no link was ever opened."""
        return None if self._process is None else self._process.pid

    def open(self, name: str, listen: tuple[str, int], target: tuple[str, int]) -> None:
        """Relay what connects to `listen` to `target`; clients may connect at once: they wait for the proxy in its backlog.

        Raises:
            StackError: the port can't be listened on.
        """
        if self._process is None:
            self._start()
        try:
            listener = listening(listen)
        except OSError as error:
            raise StackError(f"link {name}: port {listen[1]} of {listen[0]} can't be listened on: {error.strerror}") from None
        with listener:
            self._send({"do": "open", "link": name, "host": target[0], "port": target[1]}, [listener.fileno()])
        self._names.add(name)

    def shape(self, name: str, fault: int, up: Mapping[str, Any], down: Mapping[str, Any]) -> dict[str, int]:
        """Put a link under further conditions, those of this fault; return the link's counts before that.

        Raises:
            StackError: the proxy can't do it.
        """
        answer = self._ask({"do": "shape", "link": name, "fault": fault, "up": dict(up), "down": dict(down)})
        return dict(answer["counts"])

    def counts(self, name: str) -> dict[str, int]:
        """Return what became of connections and bytes so far; raise as `shape`."""
        return dict(self._ask({"do": "count", "link": name})["counts"])

    def clear(self, name: str, fault: int) -> dict[str, int]:
        """Take a fault's conditions away; return the link's counts so far; raise as `shape`."""
        return dict(self._ask({"do": "clear", "link": name, "fault": fault})["counts"])

    def forget(self, prefix: str) -> None:
        """Close the links whose names begin so."""
        for name in [name for name in self._names if name.startswith(prefix)]:
            self._names.discard(name)
            with suppress(StackError):  # a proxy that is gone has closed them all, and that was told
                self._ask({"do": "close", "link": name})

    def close(self) -> None:
        """End the proxy and wait for its end."""
        self._closing = True
        if self._process is None or self._channel is None or self._reader is None:
            return
        self._channel.shutdown(socket.SHUT_RDWR)
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(_END_S)
        self._channel.close()

    def _start(self) -> None:
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        package = str(Path(__file__).parents[3])
        argv = [sys.executable, "-I", "-S", "-c", _PROGRAM, str(theirs.fileno()), package]
        with theirs, self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                cwd="/",
                env={RUN_ID: self._run_id, "PATH": os.defpath},  # by its mark the guard finds it, should the runner be killed
            )
        self._reader = threading.Thread(target=self._read, name=f"testbeam-links-{self._run_id}", daemon=True)
        self._reader.start()

    def _ask(self, order: dict[str, Any]) -> dict[str, Any]:
        """Send an order and return the answer."""
        number, told = self._send(order)
        if not told.wait(_ANSWER_S):
            raise StackError(f"the proxy of the run (pid {self.pid}) did not answer within {_ANSWER_S:g} s; see {self._log_path}")
        answer = self._answers.pop(number)[1]
        if answer["error"]:
            raise StackError(f"the proxy of the run can't do it: {answer['error']}; see {self._log_path}")
        return answer

    def _send(self, order: dict[str, Any], fds: list[int] | None = None) -> tuple[int, threading.Event]:
        number, told = next(self._numbers), threading.Event()
        assert self._channel is not None
        if order["do"] != "open":
            self._answers[number] = (told, {})
        try:
            with self._lock:
                socket.send_fds(self._channel, [marshal.dumps({"order": number, **order})], fds or [])
        except OSError as error:
            raise StackError(f"the proxy of the run is gone ({error.strerror}); see {self._log_path} and start the run again") from None
        return number, told

    def _read(self) -> None:
        assert self._channel is not None
        assert self._process is not None
        try:
            while packet := self._channel.recv(1 << 16):
                self._heard(marshal.loads(packet))  # noqa: S302 - from our own proxy
        except OSError:
            pass  # the same as its end
        for told, answer in list(self._answers.values()):
            answer["error"] = "it has ended"
            told.set()
        if not self._closing:
            code = self._process.wait()
            words = " | ".join(tail(self._log_path, 4)) or "nothing"
            self._on_death(f"the proxy process of the run's links died (code {code}); its last words in {self._log_path}: {words}")

    def _heard(self, answer: dict[str, Any]) -> None:
        waiting = self._answers.get(answer["order"])
        if waiting is not None:
            waiting[1].update(answer)
            waiting[0].set()
        elif answer["error"] and not self._closing:
            self._on_death(f"the proxy process of the run's links could not open one: {answer['error']}")
