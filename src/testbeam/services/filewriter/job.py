"""A running job: its file is made, filled from Kafka until its stop is over, closed, and only then announced."""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from testbeam.errors import TopicMissing, TransportError, WireError
from testbeam.model.runs import RunStop, WritingFinished
from testbeam.model.time import MS_PER_S, NS_PER_MS
from testbeam.nexus.structure import parse
from testbeam.runtime.counters import Drops
from testbeam.services.filewriter import core, modules
from testbeam.services.filewriter.core import Job
from testbeam.services.filewriter.data_reader import DataReader, Progress, missing_sources, places_of
from testbeam.services.filewriter.feedback import Feedback
from testbeam.services.filewriter.lease import Lease
from testbeam.services.filewriter.lease_topic import LeaseTopic
from testbeam.services.filewriter.nexus_file import NexusFile, Replace, in_words, path_below, template_of
from testbeam.services.filewriter.plan import plan
from testbeam.services.filewriter.router import Router
from testbeam.services.filewriter.settings import FileWriterSettings
from testbeam.services.filewriter.while_busy import while_busy
from testbeam.transport.kafka.client import Kafka, Reader
from testbeam.wire.flatbuffers.schemas.run_stop_6s4t import decode_6s4t

_FOREVER_NS = 2**63 - 1
_AT_ONCE = 100  # control messages


@dataclass(slots=True, kw_only=True)
class Environment:
    """What a job is given by the service around it; `now_ms` is the wall clock, ms since 1970, `monotonic_s` the clock of waiting."""

    settings: FileWriterSettings
    kafka: Kafka
    feedback: Feedback
    leases: LeaseTopic
    log: logging.Logger
    now_ms: Callable[[], int]
    monotonic_s: Callable[[], float] = time.monotonic


@dataclass(slots=True, kw_only=True)
class RunningJob:
    """A job with its file open. `step` until `over`; `finish` ends it earlier."""

    env: Environment
    job: Job
    lease: Lease
    file: NexusFile
    control: Reader
    drops: Drops
    router: Router
    warnings: list[str] = field(default_factory=list)
    data: DataReader | None = None
    over: bool = False
    failed: bool = False
    control_offsets: dict[str, int] = field(default_factory=dict)
    _flushed_s: float = 0.0
    _renewed_s: float = 0.0

    @classmethod
    def begin(cls, env: Environment, job: Job, lease: Lease) -> "RunningJob":
        """Make the file and listen for commands, also for those sent since the start command.

        Raises:
            NexusError: the structure or the path can't be used; no file is left behind.
            TransportError: the control topic can't be read.
        """
        settings, warnings = env.settings, list[str]()
        root = parse(job.start.nexus_structure, modules=modules.NAMES, warnings=warnings)
        planned = plan(root, settings.compression, warnings)
        taken_over = lease.epoch > 1
        replace = _replaces(lease, env.leases)
        path = path_below(settings.hdf_output_prefix, job.start.filename, make_folders=settings.make_folders, replace=replace)
        template = template_of(settings.hdf_template_prefix, job.start.instrument_name)
        control = env.kafka.reader()
        try:
            topic, within_s = job.start.control_topic, settings.kafka_metadata_max_timeout
            first = control.offsets_at(topic, min(lease.sent_ms, job.start_ms), within_s)
            offsets = {int(number): offset for number, offset in lease.control.items()} if taken_over and lease.control else first
            control.assign(places_of({topic: offsets}))
            if replace is not Replace.NOTHING:
                path.unlink(missing_ok=True)
            file = NexusFile(path, root, planned, datetime.fromtimestamp(env.now_ms() / MS_PER_S, UTC), template, start_ms=job.start_ms)
        except BaseException:
            control.close()
            raise
        drops = Drops(env.log)
        leeway_ns = round(settings.time_after_stop * MS_PER_S) * NS_PER_MS
        fixed = job.passed(env.now_ms())
        router = Router(start_ns=job.start_ms * NS_PER_MS, stop_ns=_stop_ns(job), leeway_ns=leeway_ns, fixed=fixed, drops=drops)
        running = cls(env=env, job=job, lease=lease, file=file, control=control, drops=drops, router=router, warnings=warnings)
        running.control_offsets = {str(number): offset for number, offset in offsets.items()}
        running._flushed_s = running._renewed_s = env.monotonic_s()
        return running

    def open_data(self) -> None:
        """Find the partitions and offsets of all data topics; a missing one ends the job with an error."""
        settings, routes = self.env.settings, self.file.routes
        reader = self.env.kafka.reader()
        progress = Progress(leeway_ms=round(settings.time_after_stop * MS_PER_S))
        from_ms = max(self.job.start_ms - round(settings.time_before_start * MS_PER_S), 0)
        self.data = DataReader(reader=reader, router=self.router, progress=progress, most=settings.max_queued_writes, from_ms=from_ms)
        offsets, problems = {}, []
        for topic in sorted({route.topic for route in routes}):
            try:
                offsets[topic] = reader.offsets_at(topic, from_ms, settings.kafka_metadata_max_timeout)
                self._warn_of_what_is_gone(reader, topic, offsets[topic])
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

    def _warn_of_what_is_gone(self, reader: Reader, topic: str, first: dict[int, int]) -> None:
        """Note partitions of which Kafka has deleted what may have belonged to the job."""
        for number, (low, _high) in reader.watermarks(topic).items():
            if 0 < low >= first.get(number, 0):
                self.warnings.append(f"Kafka no longer holds the start of the window of {topic}[{number}]: its oldest message is at {low}")

    def step(self) -> None:
        """Do one round: commands, a portion of data, flushes, and the end where it is due."""
        try:
            if not self._keep_lease():
                self.abandon()
                return
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
        except (OSError, RuntimeError, ValueError, KeyError) as error:  # as HDF5 raises them on a full disk, or for a file that is gone
            self.finish(f"{self.file.path}: {in_words(error, self.file.path.parent)}")
        except Exception as error:  # the next job needs this writer
            self.env.log.exception("job %s", self.job.job_id)
            self.finish(f"{self.file.path}: {type(error).__name__}: {error}")

    def tick(self) -> None:
        """Do what must go on while the file is being closed: status, lease, stop commands; called by a thread of its own."""
        topic = self.job.start.control_topic
        self._keep_lease()
        with suppress(TransportError):
            self._listen(0)
        self.env.feedback.beat(topic, self.status(), self.env.monotonic_s())

    def status(self) -> dict[str, Any]:
        """Return what the x5f2 says in its JSON."""
        return dict(core.status(self.job, str(self.file.path), **self.counts()))

    def _keep_lease(self) -> bool:
        """Renew the lease when it is time; tell whether it is still ours."""
        self.env.leases.poll()
        lost = self.env.leases.table.is_lost(self.lease)
        if not lost and self.env.monotonic_s() >= self._renewed_s + self.lease.renewal_s:
            self.renew_lease()
        return not lost

    def renew_lease(self) -> None:
        """Say that the job is still ours, and how far it is, for who takes it up."""
        self._renewed_s = self.env.monotonic_s()
        stop_ms, control = self.job.stop_ms or 0, dict(self.control_offsets)
        self.lease = replace(self.lease, stop_ms=stop_ms, control=control, answered=True, nonce=self.lease.nonce + 1)
        self.env.leases.put(self.lease)

    def _is_kafka_silent(self) -> bool:
        """Tell whether it has owed an acknowledgement for too long; what came while this writer was busy or paused counts."""
        now_s = self.env.monotonic_s()
        self.env.feedback.listen(now_s)
        return self.env.feedback.silent_s(now_s) > self.env.settings.kafka_error_timeout

    def counts(self) -> dict[str, Any]:
        """Return what was received, written and dropped so far."""
        router = self.router
        counts = {"received": router.received, "written": router.written, "older": router.older, "dropped": dict(self.drops.counts)}
        if router.narrowed:
            counts["narrowed"] = router.narrowed
        warnings = core.bounded([*self.warnings, *self.file.warnings, *router.warnings])
        return counts | ({"warnings": warnings} if warnings else {})

    def finish(self, error: str = "") -> None:
        """Write what waits, close the file, then say so; `error` is what went wrong."""
        if self.over:
            return
        self.over = True
        end_ms = min(self.job.stop_ms or _FOREVER_NS, self.env.now_ms())
        with while_busy(self.tick, self.env.settings.status_master_interval):
            error = self._close(error, end_ms)
        self.control.close()
        self.lease, is_ours = self.env.leases.confirm(self.lease)
        if not is_ours:
            self.env.log.warning("job %s was taken up by another writer: nothing is said of it", self.job.job_id)
            return
        self.failed = bool(error)
        message = core.report(self.job, error, end_ms, **self.counts())
        (self.env.log.error if error else self.env.log.info)("job %s: %s: %s", self.job.job_id, self.file.path, message)
        finished = WritingFinished(
            service_id=self.env.feedback.service_id,
            job_id=self.job.job_id,
            error_encountered=bool(error),
            file_name=str(self.file.path),
            metadata=self.job.start.metadata,
            message=message,
        )
        self.env.feedback.finished(self.job.start.control_topic, finished, self.env.monotonic_s())
        self.env.leases.put(self.lease.release())

    def abandon(self) -> None:
        """Let go of a job that another writer has taken up meanwhile, in silence."""
        self.over = True
        self.env.log.warning("job %s was taken up by another writer, since this one did not renew its lease in time", self.job.job_id)
        self.file.abandon()
        for reader in (self.control, *([self.data.reader] if self.data else [])):
            with suppress(Exception):
                reader.close()

    def _close(self, error: str, end_ms: int) -> str:
        finish_file: Callable[[], None] = lambda: self.file.finish(end_ms)  # noqa: E731
        for close in (self.router.finish, finish_file, self.file.close, *([self.data.reader.close] if self.data else [])):
            try:
                close()
            except Exception as problem:  # the others are to be closed all the same
                text = in_words(problem, self.file.path.parent)
                error = error if text in error else f"{error}; {text}" if error else text
        return error

    def _listen(self, wait_s: float | None = None) -> None:
        wait_s = (0 if self._has_data else self.env.settings.kafka_poll_timeout) if wait_s is None else wait_s
        for message in self.control.read(_AT_ONCE, wait_s):
            buffer = message.value() or b""
            if buffer[4:8] == b"6s4t":  # answers, status and start commands share this topic
                self._take_stop(buffer, str(message.topic()), message.timestamp()[1])
            self.control_offsets[str(message.partition())] = int(message.offset() or 0) + 1

    def _take_stop(self, buffer: bytes, topic: str, sent_ms: int) -> None:
        try:
            stop = decode_6s4t(buffer)
        except WireError as error:
            self.drops.add("not a valid command", f"{error}, on {topic}")
        else:
            self.obey(stop, sent_ms)

    def obey(self, stop: RunStop, sent_ms: int) -> None:
        """Follow a stop command, or answer why not; `sent_ms` is its Kafka time."""
        data_ms = -(-self.router.newest_ns // NS_PER_MS)
        self.job, answer = core.obey_stop(self.job, stop, self.env.feedback.service_id, sent_ms, self.env.now_ms(), data_ms)
        if answer is None:
            self.env.log.info("stop command for job %s, writer %s: another's", core.shown(stop.job_id), core.shown(stop.service_id))
            return
        if "a clock is wrong" in answer.message:
            self.warnings.append(answer.message)
        self._set_stop()
        self.env.feedback.answer(self.job.start.control_topic, answer, self.env.monotonic_s())
        self._renewed_s = 0.0  # the lease learns of it at once

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
        if self.env.monotonic_s() >= self._flushed_s + self.env.settings.data_flush_interval:
            self.router.flush()
            self.file.flush()
            self._flushed_s = self.env.monotonic_s()

    def _all_read(self) -> bool:
        now_ms = self.env.now_ms()
        if self.data is None or not self._has_data:
            return self.job.passed(now_ms)
        overdue = self.data.progress.overdue(self.env.settings.kafka_error_timeout * MS_PER_S, now_ms)
        if overdue:
            raise TransportError(f"{'; '.join(overdue)} within {self.env.settings.kafka_error_timeout} s")
        return self.data.end_partitions(self.job.stop_ms, now_ms)


def _replaces(lease: Lease, leases: LeaseTopic) -> Replace:
    """Return what the file of a job may replace: that of the writer before, and never another job's."""
    if lease.epoch == 1:
        return Replace.NOTHING
    if lease.answered:
        return Replace.ANY
    return Replace.NOTHING if leases.table.has_file_of_another(lease) else Replace.UNFINISHED


def _stop_ns(job: Job) -> int:
    return _FOREVER_NS if job.stop_ms is None else min(job.stop_ms * NS_PER_MS, _FOREVER_NS)
