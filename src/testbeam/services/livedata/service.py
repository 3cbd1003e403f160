"""The worker's loop: messages in, results, answers and heartbeats out; one thread, one reader, one producer."""

import json
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from confluent_kafka import KafkaError, KafkaException

from testbeam.errors import SettingsError, TransportError, WireError
from testbeam.instruments.loader import Instrument, load
from testbeam.instruments.topics import InstrumentTopics
from testbeam.model.agreed import LIVEDATA_READY
from testbeam.model.live import JobId, ServiceState, StartJob, WorkerStatus
from testbeam.model.time import NS_PER_MS, NS_PER_S
from testbeam.runtime import clock
from testbeam.runtime.heartbeat import Heartbeat
from testbeam.services.livedata.answers import TAKE_OVER_S
from testbeam.services.livedata.keeping_up import KeepingUp
from testbeam.services.livedata.settings import PROG, SERVICES, LivedataSettings
from testbeam.transport.kafka.client import Kafka
from testbeam.transport.listening import wait_for_broker
from testbeam.wire.livedata_messages import decode_command, encode_job_status, encode_worker_status, job_service_id, worker_service_id

if TYPE_CHECKING:  # late when it runs: these load numpy, which a start waits for only after the broker
    from testbeam.services.livedata.core import Batch, Outgoing
    from testbeam.services.livedata.health import Health
    from testbeam.services.livedata.jobs import Job
    from testbeam.services.livedata.replay import Offsets, Replay
    from testbeam.services.livedata.sharing import Sharing
    from testbeam.services.livedata.told import Told
    from testbeam.transport.kafka.client import Reader

SOFTWARE = "livedata"
NOT_SENT = "Kafka took too long: result dropped"

_LEAVE_S = 3.0
_MOST_SILENT_S = 5.0
_FATAL = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError._AUTHENTICATION,  # noqa: SLF001 - the name the library gives it
}
log = logging.getLogger(PROG)


def serve(settings: LivedataSettings, stop: threading.Event) -> None:
    """Compute live histograms, images and counts for the jobs that commands ask for, until told to stop."""
    instrument = load(settings.instrument, prefix=settings.prefix, geometry=settings.geometry)
    check(settings)
    kafka = Kafka(bootstrap=settings.bootstrap)
    wait_for_broker(kafka, stop, log, within_s=settings.topic_timeout)
    service = Service(settings, instrument, kafka)
    try:
        service.begin(stop)
        while not stop.is_set():
            service.step()
    except TransportError as error:
        service.failed = str(error)
        raise
    finally:
        service.close()


def check(settings: LivedataSettings) -> None:
    """Check what only numbers can be wrong about.

    Raises:
        SettingsError: one can't be used.
    """
    for name in ("window", "status_interval", "topic_timeout"):
        if not 0 < getattr(settings, name) < 1e6:
            raise SettingsError(f"--{name.replace('_', '-')}", getattr(settings, name), "a positive number of seconds")
    if settings.max_lag < 0:
        raise SettingsError("--max-lag", settings.max_lag, "a number of seconds that is not negative")


def job_of(payload: bytes) -> tuple[JobId | None, bool]:
    """Return which job a command is about, and whether it starts it; None where it is about none."""
    try:
        command = decode_command(payload)
    except WireError:
        return None, False
    return command.job_id, isinstance(command, StartJob)


@dataclass(slots=True)
class Timing:
    """How long batches take, ms: of the last ones, for heartbeats."""

    recent: deque[float] = field(default_factory=lambda: deque(maxlen=500))

    def tree(self) -> dict[str, float]:
        """Return median and largest."""
        ordered = sorted(self.recent) or [0.0]
        return {"batch_ms": round(ordered[len(ordered) // 2], 3), "batch_ms_max": round(ordered[-1], 3)}


class Service:
    """One worker on Kafka."""

    def __init__(self, settings: LivedataSettings, instrument: Instrument, kafka: Kafka) -> None:
        from testbeam.services.livedata.catalogue import catalogue  # late, with all that loads numpy: after the wait for the broker
        from testbeam.services.livedata.commands import Jobs
        from testbeam.services.livedata.core import Worker
        from testbeam.services.livedata.counting import ONE_PASS
        from testbeam.services.livedata.reading import Reading
        from testbeam.services.livedata.streams import StreamMap

        self.settings = settings
        self.failed = ""
        self.topics = InstrumentTopics(prefix=instrument.prefix)
        self.services = settings.service or SERVICES
        self.worker_id = settings.worker_id or str(uuid4())
        streams = StreamMap.of(instrument, self.topics, production=settings.production)
        specs = catalogue(instrument)
        self.instrument = instrument
        self.jobs = Jobs(
            instrument=instrument.name, specs=specs, hosted=frozenset(self.services), length_ns=round(settings.window * NS_PER_S)
        )
        self.worker = Worker(self.topics, streams, self.jobs, designated=settings.answer_unknown, log=log)
        hosted = [spec for spec in specs.values() if spec.service in self.services]
        names = {name for spec in hosted for name in (*spec.sources, *(n for some in spec.aux.values() for n in some))}
        self.data_topics = streams.topics_of(names)
        self.run_topics = set(settings.run_topic) or {self.topics.run_control}
        self._reader = kafka.reader(queued_max_messages_kbytes=65536)
        self._reading = Reading(self._reader)
        told = {"delivery.report.only.error": True, "on_delivery": self._delivered}
        self._producer = Kafka(bootstrap=kafka.bootstrap, options={**kafka.options, **told}).producer(
            linger_ms=2,
            enable_idempotence=False,  # which would keep the first message back for half a second
            queue_buffering_max_kbytes=262144,
            message_timeout_ms=30000,
        )
        self._heartbeat = Heartbeat(SOFTWARE, "", settings.status_interval)
        self._started_ns = clock.wall_ns()
        self._fast = ONE_PASS
        self._timing = Timing()
        self._keeping_up = KeepingUp(settings.max_lag)
        self._last_facts: dict[str, Any] = {}
        self._stepped_s = time.monotonic()
        self._health: Health | None = None
        self.sent = 0
        self._kafka = kafka
        self._sharing: Sharing | None = None
        self._replays: list[Replay] = []
        self._unowned: deque[tuple[float, bytes]] = deque(maxlen=1000)
        if settings.share:
            self._share()

    def begin(self, stop: threading.Event) -> None:
        """Pin the positions of all topics, then say that commands are done from now on."""
        topics = {*self.data_topics, *self.run_topics, self.topics.commands, self.topics.regions}
        if self.settings.answer_unknown:
            topics.add(self.topics.responses)
        self._reading.begin(topics, stop, self.settings.topic_timeout)
        self._beat(ServiceState.STARTING)
        self._auto_start()
        log.info(LIVEDATA_READY)
        log.info("%s %s: worker %s reads %s", self.instrument.name, ", ".join(self.services), self.worker_id, ", ".join(sorted(topics)))
        if self.settings.ready_file is not None:
            self.settings.ready_file.write_text(f"{os.getpid()}")
        self._fast.load_beside()
        if self.settings.http_port:
            from testbeam.services.livedata.health import Health

            self._health = Health(self.settings.http_port, self.health)

    def health(self) -> tuple[bool, dict[str, Any]]:
        """Return whether the loop goes on and keeps up, and what there is to tell; asked from another thread."""
        silent_s = time.monotonic() - self._stepped_s
        facts = {**self._last_facts, "jobs": len(self.jobs.by_id), "silent_s": round(silent_s, 3), "worker": self.worker_id}
        return silent_s < _MOST_SILENT_S and not self._keeping_up.is_skipping and not self.failed, facts

    def step(self) -> None:
        """Do one round: what has come, what is due; waits up to 10 ms for the first message."""
        self._stepped_s = time.monotonic()
        batches = list(self._reading.batches())
        started_s = time.perf_counter()
        for batch in batches:
            self._take(batch)
        if self._sharing is not None:
            self._take_part(self._sharing)
        self._replays = [one for one in self._replays if not one.step(self._data_ends(), clock.wall_ns())]
        self._send(self.worker.tick(time.monotonic()))
        if batches:
            self._timing.recent.append((time.perf_counter() - started_s) * 1e3)
        if self._heartbeat.due(time.monotonic()):
            self._beat(ServiceState.RUNNING)
        self._producer.poll(0)
        if self.failed:
            raise TransportError(self.failed)

    def close(self) -> None:
        """Give out the last results, say that this worker has stopped, and leave."""
        for replay in self._replays:
            replay.close()
        self._send(self.worker.finish(time.monotonic()))
        for job in list(self.jobs):
            if self._sharing is None:
                self.jobs.remove(job)
        self._beat(ServiceState.ERROR if self.failed else ServiceState.STOPPED)
        left = self._producer.flush(_LEAVE_S)
        if left:
            self.worker.drops.add(NOT_SENT, "at the end", left)
        if self._sharing is not None:
            self._sharing.close()
        if self._health is not None:
            self._health.close()
        self._reader.close()
        log.info("%d messages in, %d out; dropped: %s", self.worker.taken, self.sent, dict(self.worker.drops.counts) or "none")

    def _take(self, batch: "Batch") -> None:
        now_s = time.monotonic()
        if batch.topic == self.topics.commands:
            for payload in batch.payloads:
                self._command(payload, now_s)
            self._heartbeat.soon()
        elif batch.topic == self.topics.responses:
            for payload in batch.payloads:
                self.worker.take_answer(payload)
        elif batch.topic == self.topics.regions:
            self.worker.take_regions(batch.payloads)
        elif batch.topic in self.run_topics:
            for payload in batch.payloads:
                self.worker.take_run_control(payload)
        elif self._keeping_up.skips(clock.wall_ns() / NS_PER_S - batch.kafka_ms[-1] / 1000, now_s):
            self.worker.skip_data(batch)
        else:
            self.worker.take_data(batch, now_s, clock.wall_ns())

    def _command(self, payload: bytes, now_s: float) -> None:
        before = dict(self.jobs.by_id)
        self._send(self.worker.take_command(payload, now_s))
        if self._sharing is None:
            self._replay_past(before)
            return
        for job_id, job in self.jobs.by_id.items():
            if not job.is_replaying and (before.get(job_id) is not job or job.start_ns is None):  # new, or reset
                self._sharing.keep(job.start, self._ends_of(job))
        for job_id in before.keys() - self.jobs.by_id.keys():
            self._sharing.end(job_id)
        if len(before) == len(self.jobs.by_id):
            self._unowned.append((now_s, payload))

    def _replay_past(self, before: "Mapping[JobId, Job]") -> None:
        """Replay the data of new jobs whose schedule begins in the past."""
        for job_id, job in self.jobs.by_id.items():
            start_ns = job.start.start_time_ns
            if before.get(job_id) is job or start_ns is None or start_ns >= clock.wall_ns():
                continue
            reader = self._kafka.reader(queued_max_messages_kbytes=65536)
            offsets = {
                (topic, partition): offset
                for topic in {topic for topic, _ in self._ends_of(job)}
                for partition, offset in reader.offsets_at(topic, start_ns // NS_PER_MS - 1_000).items()
            }
            self._begin_replay(job, reader, offsets, told={})

    def _begin_replay(self, job: "Job", reader: "Reader", offsets: "Offsets", *, told: "Told | None") -> None:
        from testbeam.services.livedata.replay import Replay

        self._replays.append(Replay(job, reader, offsets, self.topics, self.worker.streams, told=told))

    def _data_ends(self) -> dict[tuple[str, int], int]:
        return {place: offset for place, offset in self._reading.next_offsets.items() if place[0] in self.data_topics}

    def _ends_of(self, job: "Job") -> dict[tuple[str, int], int]:
        topics = self.worker.streams.topics_of([job.job_id.source_name])
        return {place: offset for place, offset in self._reading.next_offsets.items() if place[0] in topics}

    def _share(self) -> None:
        from testbeam.services.livedata.sharing import Sharing

        self._sharing = Sharing(self._kafka, self.settings.share, self.topics.jobs, self._take_over, self._let_go)
        self.jobs.owns = self._sharing.owns
        self.worker.is_shared = True

    def _take_part(self, sharing: "Sharing") -> None:
        """Take part in the group; do what was asked for while a share of the jobs had no owner."""
        for job in self.jobs.stopped:
            sharing.end(job.job_id)
        for job in self.jobs:
            if job.began_ns is not None:
                sharing.begin_at(job.job_id, job.began_ns)
        if not sharing.step():
            return
        now_s, starts = time.monotonic(), dict[JobId | None, bytes]()
        for at_s, payload in self._unowned:
            job_id, is_start = job_of(payload)
            starts.pop(job_id, None)
            if is_start and now_s - at_s < TAKE_OVER_S:
                starts[job_id] = payload
        for job_id, payload in starts.items():
            if job_id is not None and sharing.owns(job_id) and job_id not in self.jobs.by_id:
                self._command(payload, now_s)

    def _take_over(self, command: StartJob, offsets: "Offsets", since_ms: int) -> None:
        """Take over a job of another worker: start it without an answer, and replay its data from where they begin."""
        if command.job_id in self.jobs.by_id or self.jobs.start(command) is None:
            return
        job = self.jobs.by_id.get(command.job_id)
        if job is not None:
            log.info("takes over job %s", command.job_id)
            told = self._told(job, since_ms)
            self._begin_replay(job, self._kafka.reader(queued_max_messages_kbytes=65536), offsets, told=told)
            self.worker.begin_started(time.monotonic())

    def _told(self, job: "Job", since_ms: int) -> "Told | None":
        from testbeam.services.livedata.told import told_results

        try:
            return told_results(self._kafka, self.topics.results, job.job_id, since_ms, clock.wall_ns() // NS_PER_MS)
        except TransportError as error:
            log.warning("what was told of job %s can't be read: %s", job.job_id, error)
            return None

    def _let_go(self) -> None:
        """Let go of jobs that are another worker's now, without a word: it goes on with them."""
        for job_id in [job_id for job_id in self.jobs.by_id if not self.jobs.owns(job_id)]:
            del self.jobs.by_id[job_id]
        self.worker.index()

    def _send(self, outgoing: "Iterable[Outgoing]") -> None:
        for message in outgoing:
            try:
                self._producer.produce(message.topic, message.payload, message.key)
                self.sent += 1
            except BufferError:
                self.worker.drops.add(NOT_SENT, message.topic)
            except KafkaException as error:
                self.worker.drops.add(f"not sent: {error.args[0].name()}", message.topic)

    def _beat(self, state: ServiceState) -> None:
        for status in self.worker.statuses():
            self._heartbeat.service_id = job_service_id(status.job_id)
            self._say(encode_job_status(status))
        more = self._last_facts = self.facts()
        for name in self.services:
            status_of_worker = WorkerStatus(
                instrument=self.instrument.name,
                service_name=name,
                worker_id=self.worker_id,
                state=state,
                started_at_ns=self._started_ns,
                active_job_count=sum(job.spec.service == name for job in self.jobs),
                error=self.failed,
                batch_interval_s=self.settings.window,
                stream_stats=self.worker.statistics.look(time.monotonic()),
                more=more,
            )
            self._heartbeat.service_id = worker_service_id(status_of_worker)
            self._say(encode_worker_status(status_of_worker))

    def facts(self) -> dict[str, Any]:
        """Return what heartbeats, health and metrics tell of this worker beyond the facility's own keys."""
        return {
            **self.worker.lags.take(),
            **self._timing.tree(),
            "queue_depth": len(self._producer),
            **({} if self._sharing is None else {"shares": len(self._sharing.owned)}),
            "messages_in": self.worker.taken,
            "messages_out": self.sent,
            "dropped": dict(self.worker.drops.counts),
            "is_skipping": self._keeping_up.is_skipping,
        }

    def _say(self, status_json: str) -> None:
        try:
            self._producer.produce(self.topics.heartbeat, self._heartbeat.encode(status_json))
        except (BufferError, KafkaException):
            self.worker.drops.add("heartbeat not sent", self.topics.heartbeat)

    def _delivered(self, error: Any, message: Any) -> None:
        if error is None:
            return
        self.worker.drops.add(f"not delivered: {error.name()}", message.topic())
        if error.code() in _FATAL:
            self.failed = f"{message.topic()}: {error.str()}"

    def _auto_start(self) -> None:
        if self.settings.auto_start is None:
            return
        try:
            commands = json.loads(self.settings.auto_start.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SettingsError("--auto-start", str(self.settings.auto_start), f"a JSON file with a list of commands ({error})") from None
        for command in commands:
            self._send(self.worker.take_command(json.dumps(command).encode(), time.monotonic()))
