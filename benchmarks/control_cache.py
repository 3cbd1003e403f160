"""Throughput of the cache: updates that it takes in, and lines that it sends to 100 subscribers, over real sockets, each apart.

The baseline is the target's rate: 50,000 updates/s in, 300,000 subscription lines/s out. The senders and receivers are this process, on the
same cores as the cache.
"""

import os
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.harness import Result, at_least

IN_PER_S, OUT_PER_S = 50_000, 300_000
UPDATES, KEYS, SUBSCRIBERS = 400_000, 500, 100
OUT_UPDATES = 20_000
_DEADLINE_S = 60.0


def run() -> list[Result]:
    """Measure both."""
    with cache() as address:
        taken_s = taken_in_s(address)
    with cache() as address:
        sent_s = sent_out_s(address)
    print(f"in: {UPDATES / taken_s:,.0f} updates/s; out: {OUT_UPDATES * SUBSCRIBERS / sent_s:,.0f} lines/s to {SUBSCRIBERS} subscribers")
    return [
        at_least("cache, µs an update taken in", value=1e6 * taken_s / UPDATES, baseline=1e6 / IN_PER_S, target=1.0),
        at_least("cache, µs a line sent to 100", value=1e6 * sent_s / OUT_UPDATES / SUBSCRIBERS, baseline=1e6 / OUT_PER_S, target=1.0),
    ]


def taken_in_s(address: tuple[str, int]) -> float:
    """Return how long the cache takes for all updates, from the first byte to the answer behind the last."""
    lines = "".join(f"{1_700_000_000 + n / 1000:.6f}@nicos/dev{n % KEYS}/value={n * 0.5}\n" for n in range(UPDATES)) + "#sync#?\n"
    data = lines.encode()
    with socket.create_connection(address) as teller:
        begin_s = time.perf_counter()
        teller.sendall(data)
        _read_until(teller, b"#sync#!\n")
        return time.perf_counter() - begin_s


def sent_out_s(address: tuple[str, int]) -> float:
    """Return how long it takes until every subscriber has every line."""
    with ExitStack() as opened:
        selector = opened.enter_context(selectors.DefaultSelector())
        for _ in range(SUBSCRIBERS):
            one = opened.enter_context(socket.create_connection(address))
            one.sendall(b"@nicos/:\n#sync#?\n")
            _read_until(one, b"#sync#!\n")
            selector.register(one, selectors.EVENT_READ)
        teller = opened.enter_context(socket.create_connection(address))
        lines = [f"{1_700_000_000 + n / 1000:.6f}@nicos/dev{n % KEYS}/value={n * 0.5}\n".encode() for n in range(OUT_UPDATES)]
        wanted, got = len(b"".join(lines)) * SUBSCRIBERS, 0
        begin_s = time.perf_counter()
        end_s = begin_s + _DEADLINE_S
        at = 0
        while got < wanted and time.perf_counter() < end_s:
            if at < len(lines):
                teller.sendall(b"".join(lines[at : at + 500]))
                at += 500
            for key, _ in selector.select(0 if at < len(lines) else 1.0):
                got += len(key.fileobj.recv(1 << 20))  # type: ignore[union-attr]
        if got < wanted:
            raise TimeoutError(f"{got} of {wanted} bytes within {_DEADLINE_S:g} s")
        return time.perf_counter() - begin_s


@contextmanager
def cache() -> Iterator[tuple[str, int]]:
    """Run a cache on a port of its own."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        port, ready = held.getsockname()[1], Path(folder) / "ready"
        words = ("-m", "testbeam.services.control.cache", "--port", str(port), "--ready-file", str(ready), "-v", "error")
        program = subprocess.Popen([sys.executable, *words], env=os.environ)
        try:
            end_s = time.monotonic() + _DEADLINE_S
            while not ready.exists() and time.monotonic() < end_s:
                time.sleep(0.005)
            yield ("127.0.0.1", port)
        finally:
            program.terminate()
            program.wait()


def _read_until(connection: socket.socket, wanted: bytes) -> None:
    tail = b""
    while wanted not in tail:
        data = connection.recv(1 << 16)
        if not data:
            raise ConnectionError("the cache closed the connection")
        tail = (tail + data)[-200:]
