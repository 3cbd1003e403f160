"""The file-writer's loop: idle in the pool until there is a job, then that job to its end, and back."""

import logging
import threading
import time
from collections import deque
from importlib import import_module
from typing import TYPE_CHECKING, Any

from confluent_kafka import Message

from testbeam.errors import NexusError, TransportError, WireError
from testbeam.model.runs import RunStart, RunStop
from testbeam.runtime import clock
from testbeam.runtime.counters import Drops
from testbeam.runtime.ready_file import write_ready_file
from testbeam.services.filewriter import core, start_command
from testbeam.services.filewriter.feedback import Feedback, new_service_id
from testbeam.services.filewriter.pool import Pool
from testbeam.services.filewriter.settings import PROG, FileWriterSettings
from testbeam.services.filewriter.start_command import Command, Exit
from testbeam.transport.kafka.client import Kafka
from testbeam.transport.listening import wait_for_broker
from testbeam.wire.flatbuffers.schemas.run_start_pl72 import decode_pl72, encode_pl72

if TYPE_CHECKING:
    from testbeam.services.filewriter.job import RunningJob

_GOODBYE_S = 5.0


def serve(settings: FileWriterSettings, stop: threading.Event) -> None:
    """Write NeXus files from Kafka."""
    kafka = Kafka(bootstrap=settings.brokers, options=dict(settings.kafka_option))
    wait_for_broker(kafka, stop, logging.getLogger(PROG))
    writer = FileWriter(settings, kafka)
    try:
        while not stop.is_set() and not writer.done:
            writer.step()
    finally:
        writer.close()


class FileWriter:
    """One writer, idle or with one job."""

    def __init__(self, settings: FileWriterSettings, kafka: Kafka) -> None:
        self._settings = settings
        self._kafka = kafka
        self._log = logging.getLogger(PROG)
        self._drops = Drops(self._log)
        service_id = new_service_id(settings.service_name)
        self._feedback = Feedback(self._kafka, service_id, settings.status_master_interval, self._drops)
        self._pool = Pool(self._kafka, settings.job_pool_topic, settings.job_pool_group, self._log)
        topic = settings.command_status_topic
        self._commands: deque[Command] = deque(start_command.read(settings.start_command, topic) if settings.start_command else ())
        self._job: RunningJob | None = None
        self._is_ready = False
        self.done = False
        if settings.metric_server_port or settings.grafana_carbon_address:
            self._log.warning("metric-server-port and grafana-carbon-address are understood, but no metrics are given yet")

    def step(self) -> None:
        """Do one round of whatever there is to do."""
        if self._job is not None and self._job.over:
            self._job = None
            self._feedback.beat_soon()
        job = self._job
        topic = self._settings.command_status_topic if job is None else job.job.start.control_topic
        self._feedback.beat(topic, self._status(), time.monotonic())
        if job is None:
            self._look_for_job()
        else:
            job.step()

    def close(self) -> None:
        """End a job in hand with an error, leave the pool, and give the last words time to arrive."""
        if self._job is not None:
            self._job.finish("the file-writer was stopped before the job's end")
        self._pool.leave()
        self._feedback.close(_GOODBYE_S if self._feedback.is_heard() else 0)

    def _status(self) -> dict[str, Any]:
        if self._job is None:
            return dict(core.status(None, dropped=dict(self._drops.counts)))
        return dict(core.status(self._job.job, str(self._job.file.path), **self._job.counts()))

    def _look_for_job(self) -> None:
        wait_s = self._settings.kafka_poll_timeout
        if not self._feedback.is_heard():  # Kafka is not there yet, or has not made its topics
            self._feedback.listen(time.monotonic(), wait_s)
        elif not self._is_ready:
            self._become_ready()
        elif self._commands:
            self._do(self._commands.popleft())
        else:
            message = self._pool.poll(wait_s)
            if message is not None:
                self._take_from_pool(message)
            else:
                import_module("testbeam.services.filewriter.job")  # brings h5py: in an idle moment, not with the first job

    def _become_ready(self) -> None:
        self._is_ready = True
        write_ready_file(self._settings.ready_file)
        self._pool.join()

    def _do(self, command: Command) -> None:
        if isinstance(command, Exit):
            self.done = True
        elif isinstance(command, RunStart):
            self._start(command, encode_pl72(command), self._now_ms())
        else:
            self._drops.add("no such job", f"start-up command to stop {command.job_id}")
        while self._job is not None and self._commands and isinstance(stop := self._commands[0], RunStop):
            self._commands.popleft()
            self._job.obey(stop, self._now_ms())

    def _take_from_pool(self, message: Message) -> None:
        buffer = message.value() or b""
        try:
            start = decode_pl72(buffer)
        except WireError as error:
            self._drops.add("not a valid command", f"{error}, on {message.topic()}")
            self._pool.commit(message)
            return
        if self._pool.commit(message):
            self._start(start, buffer, message.timestamp()[1])

    def _start(self, start: RunStart, echo: bytes, sent_ms: int) -> None:
        from testbeam.services.filewriter.job import Environment, RunningJob

        reason, code = core.refusal_of(start), core.BAD_REQUEST
        if not reason:
            env = Environment(settings=self._settings, kafka=self._kafka, feedback=self._feedback, log=self._log, now_ms=self._now_ms)
            try:
                self._job = RunningJob.begin(env, core.take(start, self._now_ms()), sent_ms)
            except (NexusError, TransportError, OSError) as error:
                reason, code = str(error), core.FAILED
            except Exception as error:  # whatever a structure makes numpy or HDF5 raise: the next job needs this writer
                self._log.exception("job %s", start.job_id)
                reason, code = f"{type(error).__name__}: {error}", core.FAILED
        if reason:
            self._log.warning("job %s refused (%s): %s", start.job_id, code, reason)
            self._answer(self._settings.command_status_topic, start, echo, code, reason)
        elif self._job is not None:
            self._pool.leave()
            self._log.info("job %s: writing %s from %s ms", start.job_id, self._job.file.path, self._job.job.start_ms)
            self._answer(start.control_topic, start, echo, core.CREATED, f"writing {self._job.file.path}")
            self._feedback.beat_soon()
            self._job.open_data()

    def _answer(self, topic: str, start: RunStart, echo: bytes, code: int, message: str) -> None:
        now_s = time.monotonic()
        self._feedback.say(topic, echo, now_s)
        self._feedback.answer(topic, core.answer_start(start, self._feedback.service_id, code, message), now_s)

    @staticmethod
    def _now_ms() -> int:
        return clock.wall_ms()
