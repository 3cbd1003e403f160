"""Declaration of live data: one worker that runs some or all of an instrument's services, and its handle."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbeam.errors import StackError
from testbeam.instruments.loader import load
from testbeam.instruments.topics import InstrumentTopics
from testbeam.kit.handle import Handle
from testbeam.kit.spec import Port, Service
from testbeam.model.agreed import CLOCK_FILE
from testbeam.stacks import kafka_clients
from testbeam.stacks.probes.idle_status import IdleStatus
from testbeam.wire.kafka.requests import TopicSpec

if TYPE_CHECKING:
    from testbeam.clients.livedata.backend import DashboardBackend

__all__ = ["LivedataHandle", "livedata"]

_READY_FILE = "${dir}/ready"
_SUFFIX = "_livedata_commands"
_SHARES = 12  # partitions of the topic of jobs: the smallest share of them that a worker has


class LivedataHandle(Handle):
    """Running live data: its jobs and what they count."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._backend: DashboardBackend | None = None

    @property
    def backend(self) -> "DashboardBackend":
        """Return a dashboard's backend on these topics: it starts jobs and sees results from when it is first asked for."""
        if self._backend is None:
            from testbeam.clients.livedata.backend import DashboardBackend  # late: the client library is 70 ms of a start

            bootstrap = self.fill(self.options["brokers"])
            self._backend = DashboardBackend(self.options["instrument"], bootstrap=bootstrap, prefix=self.options["prefix"])
            self._backend.start()
        return self._backend

    @property
    def topics(self) -> InstrumentTopics:
        """Return the topics it reads and writes."""
        return InstrumentTopics(prefix=self.options["prefix"])

    def close(self) -> None:
        """Leave the broker; called at the end of the run."""
        if self._backend is not None:
            self._backend.stop()
            self._backend = None


def livedata(
    *,
    name: str = "livedata",
    broker: str = "broker",
    broker_endpoint: str = "kafka",
    instrument: str = "demo",
    geometry: str = "",
    services: Iterable[str] = (),
    commands_topic: str = "",
    run_topics: Iterable[str] | None = None,
    answer_unknown: bool = True,
    share: str = "",
    window_s: float = 1.0,
    max_lag_s: float = 10.0,
    status_interval_s: float = 2.0,
    production: bool = False,
) -> Service:
    """Return a worker of live data.

    instrument: name of a shipped one, or the path of its .json file. geometry: path of a NeXus file that says where its pixels are, for
    views that are projections (default: as the instrument's file says). services: of monitor_data, detector_data, data_reduction and
    timeseries (default: all). commands_topic: ends in _livedata_commands; all its topics begin with what comes before that (default:
    as the instrument says). run_topics: where run starts and stops are (default: those of the file-writers of that prefix).
    answer_unknown: answer commands that no worker owns; of several workers one has to, and none beside a facility's own services.
    share: name of the consumer group in which workers share the jobs.
    """
    instrument = str(Path(instrument).resolve()) if instrument.endswith(".json") else instrument
    prefix = _prefix(name, commands_topic) or load(instrument).prefix
    topics = InstrumentTopics(prefix=prefix)
    of_runs = tuple(run_topics) if run_topics is not None else _run_topics(prefix)
    options = {
        "bootstrap": f"${{{broker}.{broker_endpoint}}}",
        "instrument": instrument,
        "prefix": prefix,
        "share": share,
        "window": window_s,
        "max-lag": max_lag_s,
        "status-interval": status_interval_s,
        "ready-file": _READY_FILE,
        "http-port": "${port.http}",
    }
    flags = [f"--geometry={Path(geometry).resolve()}"] if geometry else []
    flags += [*(f"--service={one}" for one in services), *(f"--run-topic={one}" for one in of_runs)]
    flags += ["--answer-unknown"] * answer_unknown + ["--production"] * production
    needed: list[Any] = sorted({*topics.own, *_inputs(instrument, topics, production=production), *of_runs})
    if share:
        needed.append(TopicSpec(topics.jobs, partitions=_SHARES, config={"cleanup.policy": "compact"}))
    return Service(
        name,
        role="livedata",
        command=("${python}", "-m", "testbeam.services.livedata", *(f"--{key}={value}" for key, value in options.items()), *flags),
        needs=(broker,),
        ports=(Port(name="http"),),
        endpoints={"http": "${address}:${port.http}"},
        env={CLOCK_FILE: "${dir}/clock"} | kafka_clients.environment(broker),
        ready=IdleStatus(_READY_FILE),
        handle=LivedataHandle,
        options={
            "brokers": f"${{{broker}.kafka}}",
            "instrument": instrument,
            "prefix": prefix,
            "production": production,
            "status_topic": topics.heartbeat,
            "topics": tuple(needed),
        },
    )


def _inputs(instrument: str, topics: InstrumentTopics, *, production: bool) -> set[str]:
    loaded = load(instrument)
    inputs = {topics.beam_monitor} if loaded.monitors else set()
    inputs |= {topics.area_detector} if loaded.area_detectors else set()
    inputs |= {topics.motion} if loaded.logs else set()
    if production:
        return inputs | {place.topic for detector in loaded.detectors for place in detector.production}
    return inputs | ({topics.detector} if loaded.detectors else set())


def _run_topics(prefix: str) -> tuple[str, ...]:
    return f"{prefix}_filewriter_pool", f"{prefix}_filewriter_control"


def _prefix(name: str, commands_topic: str) -> str:
    prefix = commands_topic.removesuffix(_SUFFIX)
    if commands_topic and prefix == commands_topic:
        raise StackError(f"service {name!r}: topic {commands_topic!r} has to end in {_SUFFIX}")
    return prefix
