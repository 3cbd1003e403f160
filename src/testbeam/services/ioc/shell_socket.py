"""The IOC shell over a Unix socket: one line in, what it printed out, a NUL after each answer."""

import contextlib
import logging
import socket
import tempfile
import threading
from pathlib import Path

from testbeam.errors import SettingsError
from testbeam.services.ioc.commands import Shell

log = logging.getLogger("ioc")

END = b"\0"


class ShellSocket:
    """Answers lines for as long as the IOC runs."""

    def __init__(self, path: Path, shell: Shell) -> None:
        self._shell = shell
        self._path = path
        path.unlink(missing_ok=True)
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._server.bind(str(path))
        except OSError as error:
            self._server.close()
            raise SettingsError("--shell-socket", str(path), f"the path of a socket that can be made ({error.strerror})") from error
        self._server.listen()
        self._thread = threading.Thread(target=self._serve, name="shell socket", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            with client, contextlib.suppress(OSError):
                self._talk(client)

    def _talk(self, client: socket.socket) -> None:
        with client.makefile("rb") as lines:
            for line in lines:
                client.sendall(self.run(line.decode(errors="replace").strip()) + END)

    def run(self, line: str) -> bytes:
        """Run one line; return what it printed."""
        log.info("iocsh: %s", line)
        if ">" in line or line.startswith("#") or not line:
            self._shell.run(line)
            return b""
        with tempfile.NamedTemporaryFile() as file:
            if not self._shell.run(f'{line} > "{file.name}"'):
                return Path(file.name).read_bytes() + b"(failed; the reason is on the console)\n"
            return Path(file.name).read_bytes()

    def close(self) -> None:
        """Stop answering."""
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._path.unlink(missing_ok=True)
