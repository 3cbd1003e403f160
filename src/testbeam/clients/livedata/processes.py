"""Live-data services as processes of a test: one command line each, started, watched and stopped, with what they say.

The module names of ESSlivedata's own services and fakes stand for ours. Each process is a service of a run, so none outlives the test.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from testbeam.clients.livedata.address import current
from testbeam.errors import StackError
from testbeam.instruments.loader import load
from testbeam.instruments.topics import InstrumentTopics
from testbeam.kit.handle import Handle
from testbeam.kit.probes.log_line import LogLine
from testbeam.kit.run import Run
from testbeam.kit.spec import Service
from testbeam.kit.stack import Stack
from testbeam.model.agreed import LIVEDATA_READY, PULSES_BEGIN

WORKERS = ("monitor_data", "detector_data", "data_reduction", "timeseries")
FAKES = ("fake_monitors", "fake_detectors", "fake_logdata")
_READY = {"worker": LIVEDATA_READY, "fake": PULSES_BEGIN}
_OURS = ("mode", "num_monitors", "rate", "seed", "pulses", "start_time", "events_per_pulse", "stay", "as_fast_as_possible")
_OF_WORKERS = ("geometry",)
_IGNORED = ("dev", "log_json_file", "no_stdout_log", "nexus_file")


class ServiceProcess:
    """One service, by the name of its module; a context manager.

    service_module: `ess.livedata.services.monitor_data`, its last part alone, or any module of one's own, which gets its arguments as
    `--name value`. readiness_messages: regular expressions that its log has to match before it counts as ready, for a module of one's own.
    bootstrap, prefix: default, the place in use. Raises as it starts: NotReady, ServiceDied.
    """

    def __init__(
        self,
        service_module: str,
        *,
        instrument: str = "dummy",
        log_level: str = "INFO",
        readiness_messages: list[str] | None = None,
        bootstrap: str = "",
        prefix: str = "",
        **arguments: Any,
    ) -> None:
        self.service_module = service_module
        self.instrument = str(Path(instrument).resolve()) if instrument.endswith(".json") else instrument
        self._messages = readiness_messages
        self._arguments = arguments
        self._log_level = log_level.lower()
        self._bootstrap, self._prefix = bootstrap, prefix
        self._run: Run | None = None
        self._last = "", ""

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        if self._run is not None:
            raise StackError(f"{self.service_module} has been started already")
        run = Stack(self.declared()).run()
        run.start()
        self._run = run

    def stop(self) -> None:
        """Stop it."""
        if self._run is not None:
            self._last = self.get_stdout(), self.get_stderr()
            run, self._run = self._run, None
            run.stop()

    def is_running(self) -> bool:
        """Return whether it runs."""
        return self._run is not None and self.handle.is_running()

    def get_stdout(self) -> str:
        """Return what it has written to its standard output since its start."""
        return self._last[0] if self._run is None else self.handle.get_stdout()

    def get_stderr(self) -> str:
        """Return its log, which programs write to standard error."""
        return self._last[1] if self._run is None else self.handle.get_stderr()

    @property
    def handle(self) -> Handle:
        """Return the service of its run, which can be paused, killed and started again."""
        if self._run is None:
            raise StackError(f"{self.service_module} is not started")
        return self._run[self.name]

    @property
    def name(self) -> str:
        """Return the last part of the module's name."""
        return self.service_module.rpartition(".")[2]

    def declared(self) -> Service:
        """Return the service."""
        if self.name in WORKERS:
            given = _options({key: self._arguments[key] for key in _OF_WORKERS if key in self._arguments})
            return self._declare(("testbeam.services.livedata", f"--service={self.name}", "--answer-unknown", *given), "worker")
        if self.name in FAKES:
            return self._declare((f"testbeam.simulators.{self.name}", *_options(self._known())), "fake")
        words = _options({"instrument": self.instrument, "log_level": self._log_level.upper(), **self._arguments})
        ready = LogLine(self._messages[0]) if self._messages else None
        return Service(self.name, command=("${python}", "-m", self.service_module, *words), ready=ready, separate_stdout=True)

    def _declare(self, words: tuple[str, ...], kind: str) -> Service:
        bootstrap, prefix = self._bootstrap, self._prefix
        if not bootstrap:
            place = current()
            bootstrap, prefix = place.bootstrap, prefix or place.prefix
        common = {"bootstrap": bootstrap, "instrument": self.instrument, "prefix": prefix, "verbosity": self._log_level}
        return Service(self.name, command=("${python}", "-m", *words, *_options(common)), ready=LogLine(_READY[kind]), separate_stdout=True)

    def _known(self) -> dict[str, Any]:
        unknown = set(self._arguments) - {*_OURS, *_IGNORED}
        if unknown:
            raise StackError(f"{self.name} takes {', '.join(_OURS)}, not {', '.join(sorted(unknown))}")
        return {key: value for key, value in self._arguments.items() if key in _OURS}

    def __enter__(self) -> "ServiceProcess":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class ServiceGroup:
    """Several services, started in order and stopped in the reverse; a context manager."""

    def __init__(self, services: Mapping[str, ServiceProcess]) -> None:
        self.services = dict(services)

    def start_all(self) -> None:
        """Start all; where one fails, stop those before."""
        try:
            for service in self.services.values():
                service.start()
        except BaseException:
            self.stop_all()
            raise

    def stop_all(self) -> None:
        """Stop all, the last first."""
        for service in reversed(self.services.values()):
            service.stop()

    def __getitem__(self, name: str) -> ServiceProcess:
        return self.services[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.services)

    def __enter__(self) -> "ServiceGroup":
        self.start_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_all()


def topics_of(instrument: str, prefix: str) -> tuple[str, ...]:
    """Return all topics that an instrument's live data and its fakes use."""
    topics = InstrumentTopics(prefix=load(instrument, prefix=prefix).prefix)
    return (*topics.own, *topics.inputs)


def _options(values: Mapping[str, Any]) -> tuple[str, ...]:
    words: list[str] = []
    for key, value in values.items():
        name = f"--{key.replace('_', '-')}"
        if value is True:
            words.append(name)
        elif value is not False:
            words.append(f"{name}={value}")
    return tuple(words)
