"""A Unix socket over which `systemctl` and `journalctl` on a machine's PATH reach the driver."""

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path

Answerer = Callable[[str, str, list[str]], tuple[int, str]]


class Control:
    """Answers one request a connection: `{"machine": …, "tool": …, "words": […]}` → `{"code": …, "output": …}`."""

    def __init__(self, path: Path, answer: Answerer) -> None:
        self.path = path
        self._answer = answer
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._server.bind(str(path))
        self._server.listen()
        self._thread = threading.Thread(target=self._serve, name="driver control", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            with client, contextlib.suppress(OSError, ValueError, KeyError):
                asked = json.loads(client.makefile().readline())
                code, output = self._answered(asked["machine"], asked["tool"], list(asked["words"]))
                client.sendall(json.dumps({"code": code, "output": output}).encode() + b"\n")

    def _answered(self, machine: str, tool: str, words: list[str]) -> tuple[int, str]:
        try:
            return self._answer(machine, tool, words)
        except Exception as error:  # whoever asked must get an answer
            return 1, f"{type(error).__name__}: {error}\n"

    def close(self) -> None:
        """Stop answering."""
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.path.unlink(missing_ok=True)
