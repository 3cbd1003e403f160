"""Server of a hosted run: a Unix socket that only this user may open, and a thread for each client."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from testbeam.errors import WireError
from testbeam.hosting.channel import short_path
from testbeam.hosting.client_session import ClientSession, event
from testbeam.hosting.run_control import Answer, Lines, Request, decode_request, encode_answer, refusal
from testbeam.kit.journal import Event
from testbeam.kit.run import Run
from testbeam.transport.readiness import ready

FILE_NAME = "control.sock"
_BUFFER = 1 << 16
_JOIN_S = 5.0


class ControlServer:
    """Serves one run: a thread that listens, and one for each client; `close` ends them all.

    end: called, from a client's thread, when one asks for the end of the stack.
    """

    def __init__(self, run: Run, end: Callable[[], None]) -> None:
        self.path = run.folder / FILE_NAME
        self._run = run
        self._end = end
        self._adding = threading.Lock()
        self._clients: dict[threading.Thread, socket.socket] = {}
        self._lock = threading.Lock()
        self._closing = False
        self._socket = _listening(self.path)
        self._listener = threading.Thread(target=self._listen, name="testbeam-control", daemon=True)
        self._listener.start()

    def close(self) -> None:
        """Hang up on every client, and undo what they wanted for themselves."""
        self._closing = True
        _hang_up(self._socket)
        self._listener.join(_JOIN_S)
        with self._lock:
            clients = dict(self._clients)
        for client in clients.values():
            _hang_up(client)
        for thread in clients:
            if thread is not threading.current_thread():
                thread.join(_JOIN_S)
        self.path.unlink(missing_ok=True)

    def _listen(self) -> None:
        with self._socket:
            while not self._closing:
                try:
                    client, _ = self._socket.accept()
                except OSError:
                    return  # closed
                thread = threading.Thread(target=self._serve, args=(client,), name="testbeam-client", daemon=True)
                with self._lock:
                    self._clients[thread] = client
                thread.start()

    def _serve(self, client: socket.socket) -> None:
        session = ClientSession(self._run, self._adding)
        try:
            with client, suppress(OSError):  # hung up in the middle
                for request in _requests(client):
                    self._answer(client, session, request)
        finally:
            session.leave()
            with self._lock:
                self._clients.pop(threading.current_thread(), None)

    def _answer(self, client: socket.socket, session: ClientSession, request: Request | WireError) -> None:
        if isinstance(request, WireError):
            client.sendall(encode_answer(refusal(request)))
        elif request.word == "end":
            client.sendall(encode_answer(Answer()))  # first: the end closes this connection
            self._end()
        elif request.word == "follow":
            self._follow(client, request.data["since"])
        else:
            try:
                answer = Answer(value=session.answer(request))
            except Exception as error:  # whatever it is, the client is told
                answer = refusal(error)
            client.sendall(encode_answer(answer))

    def _follow(self, client: socket.socket, since: int) -> None:
        """Send events as they happen, until the client hangs up."""
        events, sent = self._run.journal.events, since
        with self._woken() as wake_fd:
            while True:
                while sent < len(events):
                    client.sendall(encode_answer(Answer(value=event(events[sent]))))
                    sent += 1
                if client.fileno() in ready([wake_fd, client.fileno()])[0]:
                    return  # it has nothing to say here but that it goes
                os.eventfd_read(wake_fd)

    @contextmanager
    def _woken(self) -> Iterator[int]:
        wake_fd = os.eventfd(1, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

        def wake(_: Event) -> None:
            os.eventfd_write(wake_fd, 1)

        end = self._run.journal.subscribe(wake)
        try:
            yield wake_fd
        finally:
            end()
            os.close(wake_fd)


def _requests(client: socket.socket) -> Iterator[Request | WireError]:
    """Yield what a client says; a stream that can't be cut into lines is given up after its error."""
    lines = Lines()
    while data := client.recv(_BUFFER):
        try:
            found = lines.feed(data)
        except WireError as error:
            yield error
            return
        for line in found:
            try:
                request = decode_request(line)
            except WireError as error:
                yield error
            else:
                yield request


def _listening(path: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with short_path(path) as name:
        path.unlink(missing_ok=True)
        os.fchmod(listening.fileno(), 0o600)  # before bind: the file is never there with other rights
        listening.bind(name)
    listening.listen(64)
    return listening


def _hang_up(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
