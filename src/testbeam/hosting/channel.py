"""Client connection to a hosted run: a Unix socket, one request and its answer at a time."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from testbeam.errors import StackError
from testbeam.hosting.run_control import Lines, Request, decode_answer, encode_request, error_of

_BUFFER = 1 << 16
_ANSWER_S = 180.0  # a word that starts services takes as long as they do


@contextmanager
def short_path(path: Path) -> Iterator[str]:
    """Give a name by which the kernel takes a socket's path, which has to fit into 107 bytes."""
    if len(os.fsencode(path)) < 100:
        yield str(path)
        return
    fd = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/{path.name}"
    finally:
        os.close(fd)


class HostGone(StackError):
    """The host of the stack has ended, or does not answer."""


class Channel:
    """A connection to the host of a stack; from any thread. Close it, or use it as a context manager."""

    def __init__(self, path: Path | str, answer_s: float = _ANSWER_S) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._lines = Lines()
        self._read: list[bytes] = []
        self._is_behind = False  # a word was, or may have been, sent whose answer nobody has read: its wait was broken off
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(answer_s)
        try:
            with short_path(self.path) as name:
                self._socket.connect(name)
        except OSError as error:
            self._socket.close()
            raise self._gone(str(error.strerror)) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, word: str, **data: Any) -> Any:
        """Say a word and return what it came to.

        Raises:
            HostGone: the host of the stack has ended, or does not answer.
            TestbeamError: what the word raised over there, of the same kind.
        """
        request = encode_request(Request(word=word, data=data))
        with self._lock:
            if self._is_behind:
                self._catch_up()
            self._is_behind = True
            self._send(request)
            line = self._next_line()
            self._is_behind = False
        return _value(line)

    def follow(self, since: int) -> Iterator[Any]:
        """Yield each event of the journal from number `since` on, until the channel or the stack is closed."""
        with suppress(HostGone, OSError), self._lock:  # closed here or there, at any moment
            self._socket.settimeout(None)
            self._send(encode_request(Request(word="follow", data={"since": since})))
            while True:
                yield _value(self._next_line())

    def close(self) -> None:
        """Hang up; whoever waits for an answer is told."""
        with suppress(OSError):  # the other end may have been first
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _catch_up(self) -> None:
        """Read past the answers that nobody waits for any more, up to the refusal of a word that is none, which names it."""
        echo = f"echo-{os.urandom(8).hex()}"
        self._send(b"\n" + encode_request(Request(word=echo)))  # a new line, as the last word may have been cut off
        while echo.encode() not in self._next_line():
            pass

    def _send(self, line: bytes) -> None:
        try:
            self._socket.sendall(line)
        except OSError as error:
            raise self._gone(str(error)) from None

    def _next_line(self) -> bytes:
        while not self._read:
            try:
                data = self._socket.recv(_BUFFER)
            except OSError as error:
                raise self._gone(str(error)) from None
            if not data:
                raise self._gone("its host has ended")
            self._read += self._lines.feed(data)
        return self._read.pop(0)

    def _gone(self, why: str) -> HostGone:
        return HostGone(f"the stack at {self.path} does not answer: {why}; see what is up: testbeam ps")


def _value(line: bytes) -> Any:
    answer = decode_answer(line)
    if answer.error:
        raise error_of(answer.error, answer.message)
    return answer.value
