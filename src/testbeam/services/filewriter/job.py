"""How one job runs: its file is made, filled from Kafka until its stop is over, closed, and only then announced."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from testbeam.errors import TopicMissing, TransportError, WireError
from testbeam.model.runs import RunStop, WritingFinished
from testbeam.nexus.structure import parse
from testbeam.runtime.counters import Drops
from testbeam.services.filewriter import core
from testbeam.services.filewriter.core import Job
from testbeam.services.filewriter.data_reader import DataReader, Progress, missing_sources, places_of
from testbeam.services.filewriter.feedback import Feedback
from testbeam.services.filewriter.nexus_file import NexusFile, path_below, template_of
from testbeam.services.filewriter.plan import plan
from testbeam.services.filewriter.router import Router
from testbeam.services.filewriter.settings import FileWriterSettings
from testbeam.transport.kafka.client import Kafka, Reader
from testbeam.wire.flatbuffers.schemas.run_stop_6s4t import decode_6s4t

_NS_PER_MS = 1_000_000
_FOREVER_NS = 2**63 - 1
_AT_ONCE = 100  # control messages
# HDF5 frees what it could not close, as on a full disk, and once more when h5py lets go of it: a crash.
_never_let_go: list[NexusFile] = []


@dataclass(slots=True, kw_only=True)
class Environment:
    """What a job is given by the service around it; `now_ms` is the clock, ms since 1970."""

    settings: FileWriterSettings
    kafka: Kafka
    feedback: Feedback
    log: logging.Logger
    now_ms: Callable[[], int]


@dataclass(slots=True, kw_only=True)
class RunningJob:
    """A job with its file open. `step` until `over`; `finish` ends it earlier."""

    env: Environment
    job: Job
    file: NexusFile
    control: Reader
    drops: Drops
    router: Router
    data: DataReader | None = None
    over: bool = False
    _flushed_s: float = field(default_factory=time.monotonic)

    @classmethod
    def begin(cls, env: Environment, job: Job, sent_ms: int) -> "RunningJob":
        """Make the file and listen for commands, also for those sent since the start command at `sent_ms`.

        Raises:
            NexusError: the structure or the path can't be used; no file is left behind.
            TransportError: the control topic can't be read.
        """
        root = parse(job.start.nexus_structure)
        planned = plan(root)
        path = path_below(env.settings.hdf_output_prefix, job.start.filename)
        template = template_of(env.settings.hdf_template_prefix, job.start.instrument_name)
        control = env.kafka.reader()
        try:
            topic, within_s = job.start.control_topic, env.settings.kafka_metadata_max_timeout
            control.assign(places_of({topic: control.offsets_at(topic, min(sent_ms, job.start_ms), within_s)}))
            file = NexusFile(path, root, planned, datetime.fromtimestamp(env.now_ms() / 1000, UTC), template)
        except BaseException:
            control.close()
            raise
        drops = Drops(env.log)
        leeway_ns = round(env.settings.time_after_stop * 1000) * _NS_PER_MS
        fixed = job.passed(env.now_ms())
        router = Router(start_ns=job.start_ms * _NS_PER_MS, stop_ns=_stop_ns(job), leeway_ns=leeway_ns, fixed=fixed, drops=drops)
        return cls(env=env, job=job, file=file, control=control, drops=drops, router=router)

    def open_data(self) -> None:
        """Find the partitions and offsets of all data topics; a missing one ends the job with an error."""
        settings, routes = self.env.settings, self.file.routes
        reader = self.env.kafka.reader()
        progress = Progress(leeway_ms=round(settings.time_after_stop * 1000))
        from_ms = max(self.job.start_ms - round(settings.time_before_start * 1000), 0)
        self.data = DataReader(reader=reader, router=self.router, progress=progress, most=settings.max_queued_writes, from_ms=from_ms)
        offsets, problems = {}, []
        for topic in sorted({route.topic for route in routes}):
            try:
                offsets[topic] = reader.offsets_at(topic, from_ms, settings.kafka_metadata_max_timeout)
            except TopicMissing:
                problems.append(missing_sources(topic, (route.source for route in routes if route.topic == topic)))
            except TransportError as error:
                problems.append(str(error))
        if problems:
            self.finish("; ".join(problems))
            return
        self.router.open(routes, {topic: len(by_number) for topic, by_number in offsets.items()})
        if offsets:
            self.data.open(places_of(offsets))

    def step(self) -> None:
        """Do one round: commands, a portion of data, flushes, and the end where it is due."""
        try:
            self._listen()
            self._set_stop()
            self._read()
            self._flush_in_time()
            if self._all_read():
                self.finish()
            elif self._is_kafka_silent():
                self.finish(f"Kafka did not answer for {self.env.settings.kafka_error_timeout} s")
        except TransportError as error:
            self.finish(str(error))
        except Exception as error:  # HDF5 raises several on a full disk or a file that is gone: the next job needs this writer
            self.env.log.exception("job %s", self.job.job_id)
            self.finish(f"{self.file.path}: {type(error).__name__}: {error}")

    def _is_kafka_silent(self) -> bool:
        """Tell whether it has owed an acknowledgement for too long; what came while this writer was busy or paused counts."""
        self.env.feedback.listen(time.monotonic())
        return self.env.feedback.silent_s(time.monotonic()) > self.env.settings.kafka_error_timeout

    def counts(self) -> dict[str, Any]:
        """Return what was received, written and dropped so far."""
        router = self.router
        counts = {"received": router.received, "written": router.written, "older": router.older, "dropped": dict(self.drops.counts)}
        return counts | ({"warnings": self.file.warnings} if self.file.warnings else {})

    def finish(self, error: str = "") -> None:
        """Write what waits, close the file, then say so; `error` is what went wrong."""
        if self.over:
            return
        self.over = True
        error = self._close(error)
        message = core.report(self.job, error, **self.counts())
        (self.env.log.error if error else self.env.log.info)("job %s: %s: %s", self.job.job_id, self.file.path, message)
        finished = WritingFinished(
            service_id=self.env.feedback.service_id,
            job_id=self.job.job_id,
            error_encountered=bool(error),
            file_name=str(self.file.path),
            metadata=self.job.start.metadata,
            message=message,
        )
        self.env.feedback.finished(self.job.start.control_topic, finished, time.monotonic())

    def _close(self, error: str) -> str:
        for close in (self.router.finish, self.file.close, self.control.close, *([self.data.reader.close] if self.data else [])):
            try:
                close()
            except Exception as problem:  # the others are to be closed all the same
                error = f"{error}; {problem}" if error else str(problem)
                _never_let_go.append(self.file)
        return error

    def _listen(self) -> None:
        for message in self.control.read(_AT_ONCE, 0 if self._has_data else self.env.settings.kafka_poll_timeout):
            buffer = message.value() or b""
            if buffer[4:8] != b"6s4t":
                continue  # answers, status and start commands share this topic
            try:
                stop = decode_6s4t(buffer)
            except WireError as error:
                self.drops.add("not a valid command", f"{error}, on {message.topic()}")
                continue
            self.obey(stop, message.timestamp()[1])

    def obey(self, stop: RunStop, sent_ms: int) -> None:
        """Follow a stop command, or answer why not; `sent_ms` is its Kafka time."""
        self.job, answer = core.obey_stop(self.job, stop, self.env.feedback.service_id, sent_ms, self.env.now_ms())
        if answer is None:
            self.env.log.info("stop command for job %s, writer %r, is not ours", stop.job_id, stop.service_id)
            return
        self._set_stop()
        self.env.feedback.answer(self.job.start.control_topic, answer, time.monotonic())

    def _set_stop(self) -> None:
        """Tell the router the stop, and whether it may still be moved."""
        self.router.set_stop(_stop_ns(self.job), fixed=self.router.fixed or self.job.passed(self.env.now_ms()))

    @property
    def _has_data(self) -> bool:
        return self.data is not None and bool(self.data.progress.open)

    def _read(self) -> None:
        if self.data is not None and self._has_data:
            self.data.read(self.env.settings.kafka_poll_timeout)
            self.router.flush(only_full=True)

    def _flush_in_time(self) -> None:
        if time.monotonic() >= self._flushed_s + self.env.settings.data_flush_interval:
            self.router.flush()
            self.file.flush()
            self._flushed_s = time.monotonic()

    def _all_read(self) -> bool:
        now_ms = self.env.now_ms()
        if self.data is None or not self._has_data:
            return self.job.passed(now_ms)
        stuck = self.data.progress.overdue(self.env.settings.kafka_error_timeout * 1000, now_ms)
        if stuck:
            raise TransportError(f"{'; '.join(stuck)} within {self.env.settings.kafka_error_timeout} s")
        return self.data.end_partitions(self.job.stop_ms, now_ms)


def _stop_ns(job: Job) -> int:
    return _FOREVER_NS if job.stop_ms is None else min(job.stop_ms * _NS_PER_MS, _FOREVER_NS)
