"""Answers on UDP to who searches a PVA server at its own loopback address.

A server at 127.8.8.8 of pvxs listens for searches on every address and answers from 127.0.0.1, so that clients which know it by
`EPICS_PVA_ADDR_LIST` go to the wrong place; and of several servers on one port the kernel lets one have the datagrams. Here a socket of
the very address takes what is sent there. The server itself is asked over TCP, as a name server is, so that names, groups and its
identifier are its own. That of PVXS answers there, that of EPICS base to the place that the question names: to this socket.
"""

import logging
import selectors
import socket
import sys
import threading
from collections import OrderedDict
from contextlib import suppress
from dataclasses import replace

from testbeam.errors import WireError
from testbeam.wire.pv_access.messages import first_frame, frames
from testbeam.wire.pv_access.search import (
    RESPONSE,
    SEARCH,
    VALIDATED,
    VALIDATION,
    Found,
    Search,
    encode_found,
    encode_search,
    encode_validation,
    parse_found,
    parse_search,
)

_DATAGRAM_BYTES = 65_536
_CONNECT_S = 2.0
_MOST_OPEN = 1000  # questions that the server has not answered: it answers none whose names it lacks
_log = logging.getLogger(__name__)

_Asked = tuple[Search, tuple[str, int]]  # the question, and where its answer goes


class SearchAnswerer:
    """One thread; ends with `close`.

    Raises:
        OSError: the UDP port can't be had.
    """

    def __init__(self, address: str, server_port: int, udp_port: int) -> None:
        self._address, self._server_port, self._udp_port = address, server_port, udp_port
        self._open: OrderedDict[int, _Asked] = OrderedDict()
        self._sequence = 0
        self._server: socket.socket | None = None
        self._received = b""
        self._unsent: list[bytes] | None = None  # questions that wait for the server's consent; None once it is there
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._udp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # the server itself is bound to every address
            if sys.platform == "linux":
                self._udp.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo\0")  # of equals the kernel takes the latest
            self._udp.bind((address, udp_port))
        except OSError:
            self._udp.close()
            raise
        self._ended, self._end = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        for sock in (self._udp, self._ended):
            self._selector.register(sock, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="pva-search", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread and every socket."""
        self._end.close()
        self._thread.join(2.0)
        self._forget_server()
        for sock in (self._udp, self._ended):
            sock.close()
        self._selector.close()

    def _run(self) -> None:
        while True:
            ready = [key.fileobj for key, _ in self._selector.select()]
            if self._ended in ready:
                return
            if self._server in ready:
                self._read_server()
            if self._udp in ready:
                self._read_datagram()

    # --- who searches ---

    def _read_datagram(self) -> None:
        try:
            data, sender = self._udp.recvfrom(_DATAGRAM_BYTES)
            for frame in frames(data):
                if frame.command == SEARCH and not frame.is_control:
                    self._ask(parse_search(frame), sender)
                elif frame.command == RESPONSE and not frame.is_control:
                    self._answer(parse_found(frame))
        except (WireError, OSError) as error:
            _log.debug("a datagram to %s is no search: %s", self._address, error)

    def _ask(self, search: Search, sender: tuple[str, int]) -> None:
        """Pass a question on to the server, under a number of ours."""
        if not search.over_tcp:
            return
        host = search.host if search.host.startswith("127.") else sender[0]
        self._sequence = (self._sequence + 1) & 0xFFFF_FFFF
        self._open[self._sequence] = (search, (host, search.port or sender[1]))
        while len(self._open) > _MOST_OPEN:
            self._open.popitem(last=False)
        self._send(encode_search(replace(search, sequence=self._sequence, host=self._address, port=self._udp_port)))

    # --- the server ---

    def _send(self, message: bytes) -> None:
        if self._server is None and not self._connect():
            return
        if self._unsent is not None:
            self._unsent.append(message)
        elif self._server is not None:
            try:
                self._server.sendall(message)
            except OSError:
                self._forget_server()  # it is asked anew with the next question: who searches does so again and again

    def _connect(self) -> bool:
        try:
            self._server = socket.create_connection((self._address, self._server_port), _CONNECT_S)
        except OSError as error:
            _log.debug("the PVA server at %s:%d does not answer: %s", self._address, self._server_port, error)
            return False
        self._received, self._unsent = b"", []
        self._selector.register(self._server, selectors.EVENT_READ)
        return True

    def _forget_server(self) -> None:
        if self._server is not None:
            with suppress(KeyError, ValueError):
                self._selector.unregister(self._server)
            self._server.close()
        self._server, self._unsent = None, None

    def _read_server(self) -> None:
        if self._server is None:
            return
        try:
            data = self._server.recv(_DATAGRAM_BYTES)
            self._received += data
            while data and (found := first_frame(self._received)) is not None:
                frame, size = found
                self._received = self._received[size:]
                if frame.is_control:
                    continue
                if frame.command == VALIDATION:
                    self._server.sendall(encode_validation())
                elif frame.command == VALIDATED:
                    waiting, self._unsent = self._unsent or [], None
                    self._server.sendall(b"".join(waiting))
                elif frame.command == RESPONSE:
                    self._answer(parse_found(frame))
        except (WireError, OSError) as error:
            _log.debug("the PVA server at %s:%d: %s", self._address, self._server_port, error)
            data = b""
        if not data:
            self._forget_server()

    def _answer(self, found: Found) -> None:
        asked = self._open.pop(found.sequence, None)
        if asked is None:
            return
        search, receiver = asked
        answer = replace(found, sequence=search.sequence, host=self._address, port=self._server_port)
        with suppress(OSError):  # who has asked may be gone
            self._udp.sendto(encode_found(answer), receiver)
