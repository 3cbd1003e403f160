"""Metrics of a service: served to Prometheus on request, and sent to Graphite at an interval."""

import logging
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from testbeam.errors import SettingsError, TransportError
from testbeam.transport.graphite import send_lines

_NOT_IN_A_NODE = re.compile(r"[^A-Za-z0-9_-]+")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One number of a metric, with what tells it from the others of the metric."""

    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric: a name in `snake_case`, what it means, whether it only grows, and its numbers of now."""

    name: str
    help: str
    samples: tuple[Sample, ...]
    only_grows: bool = False


Collect = Callable[[], Iterable[Metric]]


class PrometheusServer:
    """Serves the metrics of now at `/metrics`; each request collects anew, so that what is gone is gone here as well.

    Raises:
        SettingsError: prometheus-client is not installed, or the port can't be had.
    """

    def __init__(self, prefix: str, port: int, collect: Collect, address: str = "127.0.0.1") -> None:
        try:
            from prometheus_client import CollectorRegistry, start_http_server
        except ImportError:
            raise SettingsError("metrics-port", port, "no port, or install testbeam[metrics], which brings prometheus-client") from None
        self._prefix, self._collect = prefix, collect
        registry = CollectorRegistry()
        registry.register(self)
        try:
            self._server, self._thread = start_http_server(port, address, registry)
        except OSError as error:
            raise SettingsError("metrics-port", port, f"a port that is free at {address} ({error.strerror})") from None

    @property
    def port(self) -> int:
        """Return the port that is served."""
        return int(self._server.server_port)

    def collect(self) -> Iterator[Any]:
        """Yield the metrics as prometheus-client has them."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        for metric in self._collect():
            family = CounterMetricFamily if metric.only_grows else GaugeMetricFamily
            labels = list(metric.samples[0].labels) if metric.samples else []
            made = family(f"{self._prefix}_{metric.name}", metric.help, labels=labels)
            for sample in metric.samples:
                made.add_metric([sample.labels[label] for label in labels], sample.value)
            yield made

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@dataclass(slots=True)
class GraphiteSender:
    """Sends metrics to a carbon server every `interval_s`, from a thread of its own: a server that hangs holds up nothing.

    Monotonic and wall seconds come from the caller.
    """

    host: str
    port: int
    prefix: str
    interval_s: float
    collect: Collect
    _next_s: float = 0.0
    _thread: threading.Thread | None = None
    _problem: str = ""

    def serve(self, now_s: float, wall_s: float) -> None:
        """Send if it is time to; one that takes too long makes the next wait."""
        if now_s < self._next_s or (self._thread is not None and self._thread.is_alive()):
            return
        self._next_s = now_s + self.interval_s
        lines = graphite_lines(self.prefix, self.collect(), wall_s)
        self._thread = threading.Thread(target=self._send, args=(lines,), name="graphite", daemon=True)
        self._thread.start()

    def close(self, within_s: float) -> None:
        """Give a set that is on its way some time to arrive."""
        if self._thread is not None:
            self._thread.join(within_s)

    def _send(self, lines: list[str]) -> None:
        try:
            send_lines(self.host, self.port, lines, within_s=self.interval_s)
        except TransportError as error:
            if str(error) != self._problem:
                log.warning("metrics are not sent: %s", error)
            self._problem = str(error)
        else:
            self._problem = ""


def graphite_lines(prefix: str, metrics: Iterable[Metric], wall_s: float) -> list[str]:
    """Return metrics in carbon's plain text, `path value time`; no two numbers have the same path."""
    paths: dict[str, float] = {}
    for metric in metrics:
        for sample in metric.samples:
            parts = [node(value) for value in sample.labels.values()]
            path = ".".join([prefix, *parts, metric.name])
            unique, n = path, 2
            while unique in paths:
                unique, n = f"{path}-{n}", n + 1
            paths[unique] = sample.value
    return [f"{path} {value:g} {int(wall_s)}" for path, value in paths.items()]


def node(text: str) -> str:
    """Return a text as one node of a path: what is no letter, digit, `_` or `-` becomes `_`."""
    return _NOT_IN_A_NODE.sub("_", text) or "_"
