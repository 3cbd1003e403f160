"""The file-writer's loop: idle in the pool until there is a job, then that job to its end, and back.

An idle writer also reads the leases of others, and takes up the job of one that was killed.
"""

import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from confluent_kafka import Message

from testbeam.errors import NexusError, TransportError, WireError
from testbeam.model.runs import RunStart, RunStop, WritingFinished
from testbeam.model.time import MS_PER_S
from testbeam.runtime import clock
from testbeam.runtime.counters import Drops
from testbeam.runtime.metrics import GraphiteSender, PrometheusServer, node
from testbeam.runtime.ready_file import write_ready_file
from testbeam.services.filewriter import core, memory, start_command
from testbeam.services.filewriter.core import Job
from testbeam.services.filewriter.feedback import Feedback, new_service_id
from testbeam.services.filewriter.lease import Lease, inline
from testbeam.services.filewriter.lease_topic import LeaseTopic
from testbeam.services.filewriter.metrics import CARBON_PORT, JobMetrics
from testbeam.services.filewriter.pool import Pool
from testbeam.services.filewriter.settings import PROG, FileWriterSettings
from testbeam.services.filewriter.start_command import Command, Exit
from testbeam.services.filewriter.while_busy import while_busy
from testbeam.transport.kafka.client import Kafka
from testbeam.transport.listening import wait_for_broker
from testbeam.wire.flatbuffers.schemas.run_start_pl72 import decode_pl72, encode_pl72
from testbeam.wire.flatbuffers.schemas.writing_finished_wrdn import decode_wrdn

if TYPE_CHECKING:
    from testbeam.services.filewriter.job import Environment, RunningJob

_GOODBYE_S = 5.0
_MOST_ECHO = 10_000_000  # bytes of a refused command that are sent back


def serve(settings: FileWriterSettings, stop: threading.Event) -> None:
    """Write NeXus files from Kafka."""
    kafka = Kafka(bootstrap=settings.brokers, options=dict(settings.kafka_option))
    wait_for_broker(kafka, stop, logging.getLogger(PROG))
    writer = FileWriter.on(settings, kafka)
    try:
        while not stop.is_set() and not writer.done:
            writer.step()
    finally:
        writer.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Both clocks of a writer: the wall's, ms since 1970, and the one by which it waits."""

    now_ms: Callable[[], int] = clock.wall_ms
    monotonic_s: Callable[[], float] = time.monotonic


class FileWriter:
    """One writer, idle or with one job."""

    def __init__(
        self,
        settings: FileWriterSettings,
        *,
        kafka: Kafka,
        feedback: Feedback,
        pool: Pool,
        leases: LeaseTopic,
        drops: Drops,
        log: logging.Logger,
        clock: Clock,
    ) -> None:
        self._settings, self._kafka, self._feedback, self._pool, self._leases = settings, kafka, feedback, pool, leases
        self._drops, self._log, self._clock = drops, log, clock
        topic = settings.command_status_topic
        self._commands: deque[Command] = deque(start_command.read(settings.start_command, topic) if settings.start_command else ())
        self._job: RunningJob | None = None
        self._is_ready = False
        self.done = False
        self._metrics = JobMetrics()
        self._prometheus = (
            PrometheusServer(PROG, settings.metric_server_port, self._metrics.collect) if settings.metric_server_port else None
        )
        self._graphite = _graphite(settings, feedback.service_id, self._metrics)

    @classmethod
    def on(cls, settings: FileWriterSettings, kafka: Kafka) -> "FileWriter":
        """Return a writer on a cluster."""
        log = logging.getLogger(PROG)
        drops = Drops(log)
        feedback = Feedback(kafka, settings.service_id or new_service_id(settings.service_name), settings.status_master_interval, drops)
        return cls(
            settings,
            kafka=kafka,
            feedback=feedback,
            pool=Pool(kafka, settings.job_pool_topic, settings.job_pool_group, log),
            leases=LeaseTopic(kafka, settings.lease_topic or f"{settings.job_pool_topic}_leases", feedback, log),
            drops=drops,
            log=log,
            clock=Clock(),
        )

    def step(self) -> None:
        """Do one round of whatever there is to do."""
        if self._job is not None and self._job.over:
            self._metrics.note(self._job.counts())
            self._metrics.job_over(failed=self._job.failed)
            self._job = None
            memory.give_back()
            self._feedback.beat_soon()
        if self._graphite is not None:
            self._graphite.serve(self._clock.monotonic_s(), self._clock.now_ms() / MS_PER_S)
        job = self._job
        if job is None:
            self._beat_idle()
            self._look_for_job()
        else:
            self._feedback.beat(job.job.start.control_topic, job.status(), self._clock.monotonic_s())
            if self._has_metrics:
                self._metrics.note(job.counts())
            job.step()

    def close(self) -> None:
        """End a job in hand with an error, leave the pool, and give the last words time to arrive."""
        if self._job is not None:
            self._job.finish("the file-writer was stopped before the job's end")
        if self._prometheus is not None:
            self._prometheus.close()
        self._pool.leave()
        self._leases.close()
        self._feedback.close(_GOODBYE_S if self._feedback.is_heard() else 0)

    @property
    def _has_metrics(self) -> bool:
        return self._prometheus is not None or self._graphite is not None

    def _beat_idle(self) -> None:
        status = core.status(None, dropped=dict(self._drops.counts))
        self._feedback.beat(self._settings.command_status_topic, status, self._clock.monotonic_s())

    def _look_for_job(self) -> None:
        wait_s = self._settings.kafka_poll_timeout
        if not self._feedback.is_heard():  # Kafka is not there yet, or has not made its topics
            self._feedback.listen(self._clock.monotonic_s(), wait_s)
        elif not self._is_ready:
            self._become_ready()
        elif self._commands:
            self._do(self._commands.popleft())
        elif (message := self._pool.poll(wait_s)) is not None:
            self._take_from_pool(message)
        elif not self._take_up():
            import_module("testbeam.services.filewriter.job")  # brings h5py: in an idle moment, not with the first job

    def _become_ready(self) -> None:
        self._is_ready = True
        write_ready_file(self._settings.ready_file)
        self._pool.join()

    def _do(self, command: Command) -> None:
        if isinstance(command, Exit):
            self.done = True
        elif isinstance(command, RunStart):
            echo = encode_pl72(command)
            self._start(command, echo, self._lease(command, self._clock.now_ms(), inline=inline(echo)))
        else:
            self._drops.add("no such job", f"start-up command to stop {core.shown(command.job_id)}")
        while self._job is not None and self._commands and isinstance(stop := self._commands[0], RunStop):
            self._commands.popleft()
            self._job.obey(stop, self._clock.now_ms())

    def _take_from_pool(self, message: Message) -> None:
        """Take the job of a start command; its lease is on Kafka before the command leaves the pool, so that neither can be lost."""
        buffer = message.value() or b""
        place = str(message.topic()), int(message.partition() or 0), int(message.offset() or 0)
        try:
            start = decode_pl72(buffer)
        except WireError as error:
            self._drops.add("not a valid command", f"{error}, on {message.topic()}")
            self._pool.commit(message)
            return
        reason = core.refusal_of(start)
        if reason:
            if self._pool.commit(message):
                self._refuse(start, buffer, core.BAD_REQUEST, reason)
            return
        self._leases.open()
        self._leases.poll()
        if self._leases.table.has_command(place):  # taken by a writer that was killed before it could say so to the pool
            self._pool.commit(message)
            return
        lease = self._lease(start, message.timestamp()[1], command=place)
        lease, _ours = self._leases.confirm(lease)
        if self._pool.commit(message):
            self._start(start, buffer, lease)
        else:
            self._leases.put(lease.release())

    def _lease(self, start: RunStart, sent_ms: int, **command: Any) -> Lease:
        job = core.take(start, self._clock.now_ms())
        own_id = self._feedback.service_id
        return Lease(
            lease_id=uuid.uuid4().hex,
            job_id=job.job_id,
            epoch=1,
            owner=own_id,
            service_ids=(own_id,),
            file=start.filename,
            start_ms=job.start_ms,
            stop_ms=job.stop_ms or 0,
            taken_ms=job.taken_ms,
            sent_ms=sent_ms,
            interval_ms=round(self._settings.status_master_interval * MS_PER_S),
            **command,
        )

    def _take_up(self) -> bool:
        """Take up the job of a writer that does not renew its lease any more; tell whether there was one."""
        if not self._leases.open():
            return False
        self._leases.poll()
        for expired in self._leases.table.expired(self._clock.monotonic_s()):
            lease, is_ours = self._leases.confirm(expired.claimed_by(self._feedback.service_id))
            if is_ours:
                self._log.warning("job %s is taken up: %s does not renew its lease any more", lease.job_id, core.shown(expired.owner))
                self._go_on_with(lease)
                return True
        return False

    def _go_on_with(self, lease: Lease) -> None:
        try:
            echo = self._command_of(lease)
            start = decode_pl72(echo)
            is_finished = self._is_finished(start, lease)
        except (TransportError, WireError, ValueError) as error:
            self._log.error("job %s can't be taken up: %s", lease.job_id, error)
            is_finished = True
        if is_finished:
            self._leases.put(lease.release())
        else:
            self._start(start, echo, lease)

    def _command_of(self, lease: Lease) -> bytes:
        if lease.command is None:
            return lease.command_bytes()
        topic, partition, offset = lease.command
        with self._kafka.reader() as reader:
            for messages in reader.between({(topic, partition): (offset, offset + 1)}, silent_s=self._settings.kafka_metadata_max_timeout):
                return bytes(messages[0].value() or b"")
        raise TransportError(f"{topic}[{partition}] no longer holds the start command at {offset}")

    def _is_finished(self, start: RunStart, lease: Lease) -> bool:
        """Tell whether the writer that had the job has said that it is finished."""
        if not lease.control:
            return False
        topic = start.control_topic
        with self._kafka.reader() as reader:
            ends = {(topic, p): (lease.control.get(str(p), low), high) for p, (low, high) in reader.watermarks(topic).items()}
            return any(
                _is_end(message.value() or b"", lease.job_id)
                for messages in reader.between(ends, silent_s=self._settings.kafka_metadata_max_timeout)
                for message in messages
            )

    def _start(self, start: RunStart, echo: bytes, lease: Lease) -> None:
        """Begin a job that is ours by its lease, or refuse it."""
        reason, code = core.refusal_of(start), core.BAD_REQUEST
        if not reason:
            reason, code = self._begin(start, lease), core.FAILED
        if reason:
            self._leases.put(lease.release())
            if lease.answered:
                self._say_failed(start, reason)
            else:
                self._refuse(start, echo, code, reason)
        elif self._job is not None:
            self._pool.leave()
            self._log.info("job %s: writing %s from %s ms", start.job_id, self._job.file.path, self._job.job.start_ms)
            if not lease.answered:
                self._answer(start.control_topic, start, echo, core.CREATED, self._welcome(self._job))
            self._job.renew_lease()
            self._feedback.beat_soon()
            self._job.open_data()

    def _begin(self, start: RunStart, lease: Lease) -> str:
        """Make the job's file; return why it can't be made, or ""."""
        from testbeam.services.filewriter.job import RunningJob

        memory.keep_freed()
        stop_ms = lease.stop_ms or None
        job = Job(start=start, start_ms=lease.start_ms, stop_ms=stop_ms, taken_ms=lease.taken_ms, service_ids=lease.service_ids)
        making = core.status(job, start.filename, making=True)
        topic = start.control_topic if lease.answered else self._settings.command_status_topic
        if lease.answered:
            self._feedback.beat_soon()  # a client has not heard of its job for a while

        def tick() -> None:
            self._feedback.beat(topic, making, self._clock.monotonic_s())
            nonlocal lease
            lease = replace(lease, nonce=lease.nonce + 1)
            self._leases.put(lease)
            self._pool.leave()  # a file that takes long to be made keeps no job from others

        if lease.answered:
            tick()
        try:
            with while_busy(tick, self._settings.status_master_interval):
                running = RunningJob.begin(self._environment(), job, lease)
        except (NexusError, TransportError, OSError) as error:
            return str(error)
        except Exception as error:  # whatever a structure makes numpy or HDF5 raise: the next job needs this writer
            self._log.exception("job %s", start.job_id)
            return f"{type(error).__name__}: {error}"
        running.lease = lease
        self._job = running
        return ""

    def _environment(self) -> "Environment":
        from testbeam.services.filewriter.job import Environment

        return Environment(
            settings=self._settings,
            kafka=self._kafka,
            feedback=self._feedback,
            leases=self._leases,
            log=self._log,
            now_ms=self._clock.now_ms,
            monotonic_s=self._clock.monotonic_s,
        )

    def _welcome(self, job: "RunningJob") -> str:
        warnings = core.bounded([*job.warnings, *job.file.warnings])
        return "; ".join([f"writing {job.file.path}", *warnings])

    def _refuse(self, start: RunStart, echo: bytes, code: int, reason: str) -> None:
        self._drops.add("job refused", f"{core.shown(start.job_id)} ({code}): {reason[:1000]}")
        if len(start.job_id) > len(echo) // 2:
            start = replace(start, job_id=start.job_id[:100])
        self._answer(self._settings.command_status_topic, start, echo if len(echo) <= _MOST_ECHO else b"", code, reason)

    def _say_failed(self, start: RunStart, reason: str) -> None:
        """Say of a job that was taken up, and can't be gone on with, that it has failed."""
        self._log.error("job %s: %s", start.job_id, reason)
        finished = WritingFinished(
            service_id=self._feedback.service_id,
            job_id=start.job_id,
            error_encountered=True,
            file_name=start.filename,
            metadata=start.metadata,
            message=reason,
        )
        self._feedback.finished(start.control_topic, finished, self._clock.monotonic_s())

    def _answer(self, topic: str, start: RunStart, echo: bytes, code: int, message: str) -> None:
        now_s = self._clock.monotonic_s()
        if echo:
            self._feedback.say(topic, echo, now_s)
        self._feedback.answer(topic, core.answer_start(start, self._feedback.service_id, code, message), now_s)


def _graphite(settings: FileWriterSettings, service_id: str, metrics: JobMetrics) -> GraphiteSender | None:
    if not settings.grafana_carbon_address:
        return None
    host, _, port = settings.grafana_carbon_address.partition(":")
    return GraphiteSender(host, int(port or CARBON_PORT), f"{PROG}.{node(service_id)}", 10.0, metrics.collect)


def _is_end(buffer: bytes, job_id: str) -> bool:
    if buffer[4:8] != b"wrdn":
        return False
    try:
        return decode_wrdn(buffer).job_id == job_id
    except WireError:
        return False
