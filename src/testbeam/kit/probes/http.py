"""Probe that asks over HTTP."""

import re
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from testbeam.kit.spec import Declared, ProbeResult, ServiceView
from testbeam.model.deadline import Deadline

_LONGEST_STATUS_LINE = 4096
_FIRST_NAME = re.compile(r"\$\{([^{}\n]*)\}")


@dataclass(frozen=True, slots=True)
class HttpAnswers:
    """Ready when a GET on a URL template, as `http://${address}:${port.web}/health`, is answered with the status that is asked for.

    The status is that of the URL itself: a redirection is not followed, no proxy is used, and of the answer no more than its
    first line is read. https takes any certificate: it is asked whether the service is there, not who it is.
    """

    url: str
    status: int = 200
    timeout_s: float = 1.0

    def check_declared(self, declared: Declared) -> None:
        """Raise StackError for a template that will not be there, and what is no URL whatever they become."""
        declared.check_templates(self.url)
        first = _FIRST_NAME.match(self.url)
        text = self.url if first is None else declared.templates[first[1]] + self.url[first.end() :]
        if not text.startswith(("http://", "https://")):
            raise declared.refusal(f"{self.url!r} is no URL; give one such as http://${{address}}:${{port.{(*declared.ports, 'web')[0]}}}/")

    def check(self, service: ServiceView) -> ProbeResult:
        """Ask once, within `timeout_s` altogether."""
        url = service.fill(self.url)
        line = _status_line(url, Deadline(self.timeout_s))
        protocol, _, rest = line.partition(" ")
        if not protocol.startswith("HTTP/") or not rest[:3].isdigit():
            return ProbeResult(ready=False, detail=f"{url} answers {line!r:.80}, which is no HTTP")
        return ProbeResult(ready=int(rest[:3]) == self.status, detail=f"{url} answers {rest[:3]}")


def _status_line(url: str, deadline: Deadline) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is no URL such as http://127.0.0.1:8080/health")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    request = f"GET {target} HTTP/1.1\r\nHost: {parts.netloc.rpartition('@')[2]}\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    with _connected(parts.hostname, port, deadline, encrypted=parts.scheme == "https") as client:
        client.sendall(request.encode())
        return _first_line(client, deadline)


def _connected(host: str, port: int, deadline: Deadline, *, encrypted: bool) -> socket.socket:
    plain = socket.create_connection((host, port), timeout=deadline.within_s)
    if not encrypted:
        return plain
    import ssl  # late: few probes need it

    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(plain, server_hostname=host)


def _first_line(client: socket.socket, deadline: Deadline) -> str:
    data = b""
    while b"\n" not in data and len(data) < _LONGEST_STATUS_LINE:
        client.settimeout(max(deadline.left_s, 0.001))
        try:
            more = client.recv(_LONGEST_STATUS_LINE)
        except TimeoutError:
            raise TimeoutError(f"no whole status line within {deadline.within_s:g} s") from None
        if not more:
            break
        data += more
    return data.partition(b"\n")[0].strip().decode(errors="replace")
