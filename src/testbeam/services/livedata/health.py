"""Health over HTTP on loopback: `/health` as JSON, 503 where the worker is not well, and `/metrics` for Prometheus."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Facts = Callable[[], tuple[bool, Mapping[str, Any]]]  # whether all is well, and what there is to tell


class Health:
    """A server in a thread of its own; `facts` is asked at each request."""

    def __init__(self, port: int, facts: Facts) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(facts))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="health", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Return the port."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """End the server and its thread."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def metrics(facts: Mapping[str, Any]) -> str:
    """Return facts as Prometheus reads them: numbers as gauges, tables of numbers with their keys as a label."""
    return "".join(f"testbeam_livedata_{line}\n" for name, value in facts.items() for line in _lines(name, value))


def _lines(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, bool | int | float):
        yield f"{name} {float(value):g}"
    elif isinstance(value, Mapping):
        for key, number in value.items():
            if isinstance(number, int | float):
                yield f"{name}{{reason={json.dumps(str(key))}}} {float(number):g}"


def _handler(facts: Facts) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_well, found = facts()
            if self.path == "/health":
                self._say(200 if is_well else 503, "application/json", json.dumps({"ok": is_well, **found}))
            elif self.path == "/metrics":
                self._say(200, "text/plain; version=0.0.4", metrics({"up": is_well, **found}))
            else:
                self._say(404, "text/plain", "there are /health and /metrics\n")

        def _say(self, code: int, kind: str, text: str) -> None:
            payload = text.encode()
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *_: Any) -> None:
            """Say nothing: a scrape every few seconds would fill the log."""

    return Handler
