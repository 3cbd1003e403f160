"""File-writer client: start a job, follow it, stop it, and be told when the file is closed."""

import json
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from confluent_kafka import Producer

from testbeam.errors import JobFailed, JobRefused, TestbeamError, TransportError, WaitTimeout, WireError
from testbeam.model.deadline import Deadline
from testbeam.model.runs import ActionOutcome, ActionType, CommandAnswer, RunStart, RunStop, WritingFinished
from testbeam.model.status import ServiceStatus
from testbeam.tracking.writer_job import JobRecord, JobState, JobTracker
from testbeam.transport.kafka.client import Kafka, Reader
from testbeam.wire.flatbuffers import registry
from testbeam.wire.flatbuffers.schemas.run_start_pl72 import encode_pl72
from testbeam.wire.flatbuffers.schemas.run_stop_6s4t import encode_6s4t

T = TypeVar("T")

_LOOK_S = 0.05
_SEND_S = 30.0
_WORDS = {
    JobState.NOT_STARTED: "waiting",
    JobState.STARTED: "writing",
    JobState.REJECTED: "refused",
    JobState.FAILED: "failed",
    JobState.WRITTEN: "done",
}


@dataclass(slots=True, kw_only=True)
class FileWriterClient:
    """A pool of file-writers, by its topics; `control_topic` is where jobs are answered unless a start says otherwise.

    Use as a context manager, or close it: that ends its jobs' connections, not the jobs.
    """

    kafka: Kafka
    pool_topic: str
    status_topic: str
    control_topic: str
    _producer: Producer = field(init=False)
    _jobs: list["Job"] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._producer = self.kafka.producer(linger_ms=0)

    def start(
        self,
        nexus_structure: str,
        filename: str,
        *,
        start_time_ms: int = 0,
        stop_time_ms: int = 0,
        metadata: str = "",
        control_topic: str = "",
        job_id: str = "",
        run_name: str = "",
        instrument_name: str = "",
        service_id: str = "",
    ) -> "Job":
        """Send a start command to the pool and return its job; nothing is waited for.

        start_time_ms, stop_time_ms: since 1970; 0 is "now" and "until stopped".

        Raises:
            TopicMissing: the control or the status topic is not there.
            TransportError: Kafka did not take the command.
        """
        start = RunStart(
            job_id=job_id or str(uuid.uuid4()),
            filename=filename,
            nexus_structure=nexus_structure,
            control_topic=control_topic or self.control_topic,
            start_time_ms=start_time_ms,
            stop_time_ms=stop_time_ms,
            metadata=metadata,
            run_name=run_name,
            instrument_name=instrument_name,
            service_id=service_id,
        )
        job = self.follow(start)
        self.send(self.pool_topic, encode_pl72(start))
        return job

    def follow(self, start: RunStart) -> "Job":
        """Return a job whose start command somebody else sends from now on."""
        job = Job(client=self, start=start, reader=self.listen(start))
        self._jobs.append(job)
        return job

    def listen(self, start: RunStart) -> Reader:
        """Return a reader of what is said from now on where this job is answered; the caller closes it."""
        reader = self.kafka.reader()
        try:
            reader.assign_ends({start.control_topic, self.status_topic})
        except BaseException:
            reader.close()
            raise
        return reader

    def send(self, topic: str, payload: bytes) -> None:
        """Send any bytes, and wait until Kafka has them.

        Raises:
            TransportError: Kafka did not take them.
        """
        failures: list[Any] = []
        self._producer.produce(topic, payload, on_delivery=lambda error, _: failures.append(error) if error else None)
        left = self._producer.flush(_SEND_S)
        if left or failures:
            why = failures[0].str() if failures else f"no answer within {_SEND_S:g} s"
            raise TransportError(f"{self.kafka.bootstrap}: {len(payload)} bytes were not taken by topic {topic!r}: {why}")

    @property
    def jobs(self) -> tuple["Job", ...]:
        """Return the jobs that are followed here, the oldest first."""
        return tuple(self._jobs)

    def stop_open_jobs(self, *, but: Collection["Job"] = (), within_s: float = 10.0) -> None:
        """Stop every job that is followed here and not over, and wait until its file is closed; what fails is left.

        The oldest first: a command that still waits in the pool is taken by the writer that becomes idle. Those in `but` go on.
        """
        kept = {job.job_id for job in but}
        for job in [job for job in self._jobs if job.job_id not in kept]:
            with suppress(TestbeamError):
                job.end(within_s)
            job.close()
            self._jobs.remove(job)

    def close(self) -> None:
        """Leave the broker."""
        for job in self._jobs:
            job.close()
        self._jobs.clear()

    def __enter__(self) -> "FileWriterClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(slots=True, kw_only=True)
class Job:
    """One file being written. What the writer says is taken in by the `wait_…` methods and by `look`.

    Once it is finished or refused it leaves the broker: later looks find what is known. A later `stop` joins again for its answer.
    """

    client: FileWriterClient
    start: RunStart
    reader: Reader
    started: CommandAnswer | None = None
    finished: WritingFinished | None = None
    status: Mapping[str, Any] = field(default_factory=dict)  # of the newest x5f2 that names this job
    stop_answers: dict[str, CommandAnswer] = field(default_factory=dict)  # by command id
    _last_seen: str = "nothing"
    _busy: dict[str, str] = field(default_factory=dict)  # writers with another job, in words
    _listens: bool = True
    _over: bool = False
    _tracker: JobTracker = field(default_factory=JobTracker)
    _asks: bool = False  # whether an answer is waited for that may come after the end

    @property
    def job_id(self) -> str:
        """Return the job's UUID."""
        return self.start.job_id

    def __post_init__(self) -> None:
        self._tracker.add(JobRecord(job_id=self.job_id, number=0, started_s=0.0))

    @property
    def state(self) -> JobState:
        """Return where the job is, as its messages tell."""
        return self._tracker.jobs[self.job_id].state

    @property
    def report(self) -> dict[str, Any]:
        """Return what our writer counted (received, written, dropped by reason, window); empty for other writers or before the end."""
        try:
            content = json.loads(self.finished.message) if self.finished else {}
        except ValueError:
            content = {}
        return content if isinstance(content, dict) else {}

    def wait_started(self, within_s: float = 30.0) -> CommandAnswer:
        """Return the writer's answer once it writes.

        Raises:
            JobRefused: it does not; the message is the writer's.
            WaitTimeout: no writer answered in time.
        """
        answer = self._wait(lambda: self.started, within_s, "no file-writer answered the start command")
        if answer.outcome is not ActionOutcome.SUCCESS:
            raise self._refusal(answer)
        return answer

    def wait_status(self, within_s: float = 30.0) -> Mapping[str, Any]:
        """Return the JSON of the next status that names this job.

        Raises:
            JobFailed: it has ended with an error.
            WaitTimeout: none came in time.
        """
        self.status = {}
        return self._wait(self._unless_failed(lambda: self.status or None), within_s, "no status named the job")

    def stop(self, at_ms: int = 0, *, within_s: float = 30.0, service_id: str = "") -> CommandAnswer:
        """Set the stop time (ms since 1970; 0 is "now") and return the writer's answer.

        Raises:
            JobFailed: the job has ended with an error, so that no writer answers; the message is the writer's.
            JobRefused: it was refused; the message is the writer's.
            WaitTimeout: no writer answered in time.
        """
        self._raise_if_failed()
        with self._asking():
            command_id = self.send_stop(at_ms, service_id=service_id)
            found = self._unless_failed(lambda: self.stop_answers.get(command_id))
            answer = self._wait(found, within_s, "no file-writer answered the stop command")
        if answer.outcome is not ActionOutcome.SUCCESS:
            raise self._refusal(answer)
        return answer

    def send_stop(self, at_ms: int = 0, *, service_id: str = "", command_id: str = "", job_id: str = "") -> str:
        """Send a stop command and return its id; nothing is waited for."""
        command_id = command_id or str(uuid.uuid4())
        stop = RunStop(job_id=job_id or self.job_id, command_id=command_id, stop_time_ms=at_ms, service_id=service_id)
        self.client.send(self.start.control_topic, encode_6s4t(stop))
        return command_id

    def wait_written(self, within_s: float = 30.0) -> WritingFinished:
        """Return what the writer says once the file is closed.

        Raises:
            JobFailed: it was finished with an error; `finished` has the message all the same.
            JobRefused: the job was refused before it began.
            WaitTimeout: it was not finished in time.
        """
        finished = self._wait(self._finished, within_s, "the file was not finished")
        if finished.error_encountered:
            raise self._failure(finished)
        return finished

    def end(self, within_s: float = 10.0) -> None:
        """Stop the job, if it is not over, and wait until its file is closed.

        Raises:
            JobFailed, JobRefused: it came to no file.
            WaitTimeout: its writer did not start it, or did not close the file, in time.
        """
        self.look(0)
        if not self._over and self._listens:
            self.wait_started(within_s)
            self.send_stop()
            self.wait_written(within_s)

    def look(self, wait_s: float = _LOOK_S) -> None:
        """Take in what was said of this job meanwhile."""
        if not self._listens:
            return
        for message in self.reader.read(100, wait_s):
            try:
                self._take(registry.decode(message.value() or b""))
            except WireError as error:
                self._last_seen = f"no valid message on {message.topic()}: {error}"
        self._leave_if_over()

    def close(self) -> None:
        """Stop following the job, which goes on."""
        if self._listens:
            self._listens = False
            self.reader.close()

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Listen until the end of the block even to a job that is over."""
        if self._over and not self._listens:
            self.reader = self.client.listen(self.start)
            self._listens = True
        self._asks = True
        try:
            yield
        finally:
            self._asks = False
            self._leave_if_over()

    def _leave_if_over(self) -> None:
        if self._over and not self._asks:
            self.close()

    def _finished(self) -> WritingFinished | None:
        if self.state is JobState.REJECTED and self.started is not None:
            raise self._refusal(self.started)
        return self.finished

    def _unless_failed(self, look: Callable[[], T | None]) -> Callable[[], T | None]:
        """Return the same look, which says the reason of a job that has failed rather than wait for what will not come."""

        def found() -> T | None:
            value = look()
            if value is None:
                self._raise_if_failed()
            return value

        return found

    def _raise_if_failed(self) -> None:
        if self.finished is not None and self.finished.error_encountered:
            raise self._failure(self.finished)

    def _failure(self, finished: WritingFinished) -> JobFailed:
        return JobFailed(f"{finished.file_name}: {self.report.get('summary') or finished.message}")

    def _refusal(self, answer: CommandAnswer) -> JobRefused:
        return JobRefused(f"{self.start.filename}: {answer.message} ({answer.status_code} of {answer.service_id})")

    def _take(self, value: Any) -> None:
        self._tracker.take(value, 0.0)
        match value:
            case CommandAnswer(job_id=self.job_id, action=ActionType.START_JOB):
                self._over |= self.state is JobState.REJECTED
                if self.started is None or value.outcome is ActionOutcome.SUCCESS:  # else another start of its name was refused
                    self.started = value
            case CommandAnswer(action=ActionType.SET_STOP_TIME):
                if self._is_of_its_writer(value):
                    self.stop_answers[value.command_id] = value
            case WritingFinished(job_id=self.job_id):
                self.finished = value
                self._over = True
            case ServiceStatus():
                self._take_status(value)
                return
            case _:
                return
        self._last_seen = repr(value)[:300]

    def _is_of_its_writer(self, answer: CommandAnswer) -> bool:
        """Tell whether this is the answer of the writer of this job, be it one that has taken it up: all others with a job refuse."""
        writer = self._tracker.jobs[self.job_id].service_id
        if not writer or answer.service_id == writer:
            return True
        return answer.job_id == self.job_id and answer.outcome is ActionOutcome.SUCCESS

    def _take_status(self, value: ServiceStatus) -> None:
        self._last_seen = f"status of {value.service_id}: {value.status_json[:200]}"
        try:
            status = json.loads(value.status_json)
        except ValueError:
            return
        if not isinstance(status, dict):
            return
        if status.get("job_id") == self.job_id:
            self.status = status
        self._busy.pop(value.service_id, None)
        if status.get("state") == "writing" and status.get("job_id") != self.job_id:
            self._busy[value.service_id] = (
                f"{value.service_id} still writes {status.get('file_being_written')} (job {status.get('job_id')})"
            )

    def _wait(self, look: Callable[[], T | None], within_s: float, problem: str) -> T:
        deadline = Deadline(within_s)
        while True:
            late = not self._listens or deadline.passed
            self.look(0 if late else min(_LOOK_S, within_s))
            found = look()
            if found is not None:
                return found
            if late:
                busy = f"; {'; '.join(self._busy.values())}" if self._busy and self.state is JobState.NOT_STARTED else ""
                raise WaitTimeout(
                    f"job {self.job_id} ({self.start.filename}) is {_WORDS[self.state]}: {problem} within {within_s:g} s{busy}; "
                    f"last seen on {self.start.control_topic!r} or {self.client.status_topic!r}: {self._last_seen}"
                )
