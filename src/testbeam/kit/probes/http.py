"""Does a service answer over HTTP?"""

from dataclasses import dataclass

from testbeam.kit.spec import ProbeResult, ServiceView


@dataclass(frozen=True, slots=True)
class HttpAnswers:
    """Ready when a GET on a URL template, as `http://${address}:${port.web}/health`, is answered with the status that is asked for."""

    url: str
    status: int = 200
    timeout_s: float = 1.0

    def check(self, service: ServiceView) -> ProbeResult:
        """Ask once."""
        import urllib.error  # late: few services speak HTTP, and the modules cost 30 ms
        import urllib.request

        url = service.fill(self.url)
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a caller's http_proxy knows nothing of our loopback
        try:
            with direct.open(url, timeout=self.timeout_s) as answer:
                status = answer.status
        except urllib.error.HTTPError as error:
            status = error.code
        return ProbeResult(ready=status == self.status, detail=f"{url} answers {status}")
