"""A stand-in for an engine's daemon: its containers are processes of its own, which no runner's death touches.

Usage: engine_daemon.py SOCKET. A request is one line of JSON, answered by one line; a `run` is answered at the container's end.
"""

import json
import os
import signal
import socketserver
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Contained:
    process: subprocess.Popen[bytes]
    labels: dict[str, str] = field(default_factory=dict)


CONTAINERS: dict[str, Contained] = {}
LOCK = threading.Lock()


class Request(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        request = json.loads(self.rfile.readline())
        answer = getattr(self, request["do"])(**{key: value for key, value in request.items() if key != "do"})
        self.wfile.write(json.dumps(answer).encode() + b"\n")

    def run(self, name: str, argv: list[str], labels: dict[str, str], env: dict[str, str]) -> dict[str, Any]:
        with LOCK:
            if name in CONTAINERS:
                return {"code": 125, "error": f"the name {name} is already in use"}
            process = subprocess.Popen(argv, env={"PATH": os.environ["PATH"], **env}, start_new_session=True)
            CONTAINERS[name] = Contained(process, labels)
        self.wfile.write(b'{"started": true}\n')
        code = process.wait()
        with LOCK:
            CONTAINERS.pop(name, None)
        return {"code": code if code >= 0 else 128 - code}

    def send(self, name: str, number: int) -> dict[str, Any]:
        with LOCK:
            contained = CONTAINERS.get(name)
        if contained is None:
            return {"code": 1, "error": f"no such container: {name}"}
        os.killpg(contained.process.pid, number)
        return {"code": 0}

    def stop(self, name: str, timeout_s: float) -> dict[str, Any]:
        answer = self.send(name, signal.SIGTERM)
        if answer["code"] == 0:
            contained = CONTAINERS.get(name)
            try:
                if contained is not None:
                    contained.process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.send(name, signal.SIGKILL)
        return answer

    def ps(self) -> dict[str, Any]:
        with LOCK:
            return {"code": 0, "rows": [{"id": name, "labels": one.labels, "pid": one.process.pid} for name, one in CONTAINERS.items()]}


class Daemon(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


if __name__ == "__main__":
    with Daemon(sys.argv[1], Request) as server:
        server.serve_forever()
