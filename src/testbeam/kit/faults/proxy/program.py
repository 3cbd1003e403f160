"""Proxy process of a run: told by its runner what to relay under which conditions; ends with the runner, however that ends.

Each packet of the channel is one order, a dictionary in Python's own marshal format, answered by one packet. The order "open" brings
its listening socket along.
"""

import marshal
import resource
import socket
import sys
from collections.abc import Callable
from typing import Any

from testbeam.kit.faults.proxy.conditions import Conditions
from testbeam.kit.faults.proxy.link import Link
from testbeam.kit.faults.proxy.loop import IN, Loop

Message = dict[str, Any]

_PACKET = 1 << 16


class Program:
    """Does what the runner says."""

    def __init__(self, loop: Loop, channel: socket.socket) -> None:
        self._loop = loop
        self._channel = channel
        self._links: dict[str, Link] = {}
        self._actions: dict[str, Callable[[Message, list[int]], Message]] = {
            "open": self._open,
            "shape": self._shape,
            "count": self._count,
            "clear": self._clear,
            "close": self._close,
        }
        loop.watch(channel, IN, self._listen)

    def _listen(self, _events: int) -> None:
        try:
            packet, fds, _, _ = socket.recv_fds(self._channel, _PACKET, 1)
        except ConnectionError:
            packet, fds = b"", []
        if not packet:
            self._loop.over = True
            return
        order: Message = marshal.loads(packet)  # noqa: S302 - from our own runner
        answer = {"order": order["order"], "error": ""}
        try:
            answer |= self._actions[order["do"]](order, fds)
        except OSError as error:
            answer["error"] = f"{error.strerror} ({order['do']} {order['link']})"
        self._channel.send(marshal.dumps(answer))

    def _open(self, order: Message, fds: list[int]) -> Message:
        self._links[order["link"]] = Link(self._loop, socket.socket(fileno=fds[0]), (order["host"], order["port"]))
        return {}

    def _shape(self, order: Message, _fds: list[int]) -> Message:
        link = self._links[order["link"]]
        before = link.told()
        link.shape(order["fault"], Conditions(**order["up"]), Conditions(**order["down"]))
        return {"counts": before}

    def _count(self, order: Message, _fds: list[int]) -> Message:
        return {"counts": self._links[order["link"]].told()}

    def _clear(self, order: Message, _fds: list[int]) -> Message:
        link = self._links[order["link"]]
        link.clear(order["fault"])
        return {"counts": link.told()}

    def _close(self, order: Message, _fds: list[int]) -> Message:
        self._links.pop(order["link"]).close()
        return {}


def main(channel_fd: int) -> None:
    """Work until the runner closes the channel or is gone."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    loop = Loop()
    Program(loop, socket.socket(fileno=channel_fd))
    loop.run()


if __name__ == "__main__":
    main(int(sys.argv[1]))
