"""A dashboard's backend without its pictures: starts, changes and stops jobs, and keeps what they give.

Nothing happens behind a test's back: `update` handles what has arrived, and the waits of `waiting.py` call it.
"""

import time
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import uuid4

from testbeam.clients.livedata.address import current
from testbeam.clients.livedata.data import DataService, result_of
from testbeam.errors import JobRefused, StackError, TransportError, WaitTimeout, WireError
from testbeam.instruments.loader import load
from testbeam.instruments.topics import InstrumentTopics
from testbeam.model.arrays import LabelledArray
from testbeam.model.deadline import Deadline
from testbeam.model.live import JobAction, JobCommand, JobId, JobStatus, StartJob, WorkflowId
from testbeam.tracking.livedata import LiveJobs, Pending
from testbeam.transport.kafka.client import Kafka, Reader
from testbeam.wire.flatbuffers.registry import decode
from testbeam.wire.flatbuffers.schemas.labelled_array_da00 import encode_da00
from testbeam.wire.livedata_messages import decode_answer, decode_result_key, decode_status, encode_command, workflow_id_of
from testbeam.wire.livedata_regions import region_request

_MOST = 1_000
_LOOK_S = 0.01
_FLUSH_S = 10.0


class DashboardBackend:
    """One client of an instrument's live data; a context manager.

    bootstrap, prefix: where its Kafka is and what topics begin with (default: the place in use, see `place.py`). dev and log_level are
    taken for the sake of tests written for ESSlivedata, and change nothing.

    Raises:
        SettingsError: there is no such instrument, or no Kafka is known.
    """

    def __init__(
        self, instrument: str = "dummy", dev: bool = True, *, bootstrap: str = "", prefix: str = "", log_level: Any = None
    ) -> None:
        del dev, log_level
        place = None if bootstrap else current()
        loaded = load(instrument, prefix=prefix or (place.prefix if place else ""))
        self.instrument = loaded.name
        self.topics = InstrumentTopics(prefix=loaded.prefix)
        self._kafka = Kafka(bootstrap=bootstrap or (place.bootstrap if place else ""))
        self.jobs = LiveJobs()
        self.data_service = DataService(self.update)
        self.job_service = JobService(self)
        self.workflow_controller = WorkflowController(self)
        self.dropped = 0
        self._reader: Reader | None = None
        self._producer: Any = None
        self._is_stopped = False

    def __enter__(self) -> "DashboardBackend":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Join Kafka: what is sent from now on is seen.

        Raises:
            StackError: it has been stopped.
            TransportError: Kafka or a topic is not there.
        """
        if self._is_stopped:
            raise StackError("a backend that was stopped can't be started again; make another")
        if self._reader is not None:
            return
        self._reader = self._kafka.reader()
        self._reader.assign_ends([self.topics.results, self.topics.responses, self.topics.heartbeat])
        self._producer = self._kafka.producer(linger_ms=0, enable_idempotence=False)

    def stop(self) -> None:
        """Leave Kafka; jobs go on."""
        self._is_stopped = True
        if self._producer is not None:
            self._producer.flush(_FLUSH_S)
            self._producer = None
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def update(self) -> None:
        """Handle what has arrived; waits a little if nothing has.

        Raises:
            StackError: it has not been started.
        """
        if self._reader is None:
            raise StackError("the backend is not started; use it as a context manager")
        for message in self._reader.read(_MOST, _LOOK_S):
            try:
                self._take(message.topic() or "", message.value() or b"")
            except WireError:
                self.dropped += 1  # of no workflow that we know: on the same topics others may speak
        self.jobs.expire(time.monotonic())

    def send(self, topic: str, payload: bytes) -> None:
        """Send a message and wait until Kafka has it.

        Raises:
            StackError: the backend has not been started.
            TransportError: Kafka did not take it.
        """
        if self._producer is None:
            raise StackError("the backend is not started; use it as a context manager")
        failures: list[str] = []
        self._producer.produce(topic, payload, on_delivery=lambda error, _: failures.append(error.str()) if error else None)
        if self._producer.flush(_FLUSH_S) or failures:
            raise TransportError(f"{self._kafka.bootstrap}: topic {topic!r} did not take a message: {failures or 'no answer'}")

    def set_regions(
        self,
        job_id: JobId,
        *,
        rectangles: Mapping[int, tuple[tuple[float, float], tuple[float, float]]] | None = None,
        polygons: Mapping[int, tuple[Iterable[float], Iterable[float]]] | None = None,
    ) -> None:
        """Set the regions of interest of a detector's job: index → x and y, in pixel indices; all of a kind that is given at once.

        rectangles: indices 0 to 3, bounds (min, max). polygons: indices 4 to 7, vertices.
        """
        for kind, shapes in (("roi_rectangle", rectangles), ("roi_polygon", polygons)):
            if shapes is not None:
                self.send(self.topics.regions, encode_da00(region_request(str(job_id), kind, shapes)))

    def _take(self, topic: str, payload: bytes) -> None:
        if topic == self.topics.responses:
            self.jobs.answer(decode_answer(payload))
            return
        value = decode(payload)
        if topic == self.topics.heartbeat:
            self._take_status(value.status_json)
            return
        key = decode_result_key(value.source_name)
        result = result_of(key, value) if isinstance(value, LabelledArray) and self.jobs.admits(key) else None
        if result is None:
            self.dropped += 1
        else:
            self.data_service.put(result)

    def _take_status(self, status_json: str) -> None:
        status, now_s = decode_status(status_json), time.monotonic()
        if not isinstance(status, JobStatus):
            self.jobs.worker_status(status, now_s)
            return
        again = self.jobs.job_status(status, now_s)
        if again is not None:
            self.send(self.topics.commands, encode_command(again))
        self.job_service.changed(status)


class JobService:
    """What heartbeats say of jobs."""

    def __init__(self, backend: DashboardBackend) -> None:
        self._backend = backend
        self._subscribers: list[Any] = []

    @property
    def job_statuses(self) -> dict[JobId, JobStatus]:
        """Return the last status of each job."""
        return dict(self._backend.jobs.statuses)

    def update(self) -> None:
        """Handle what has arrived."""
        self._backend.update()

    def status(self, job_id: JobId) -> JobStatus | None:
        """Return the last status of a job."""
        return self._backend.jobs.statuses.get(job_id)

    def is_status_stale(self, job_id: JobId) -> bool:
        """Return whether a job has not been heard of for a minute."""
        return self._backend.jobs.is_job_stale(job_id, time.monotonic())

    def data(self, job_id: JobId) -> dict[str, Any]:
        """Return the last results of a job by output."""
        return {key.output_name: one for key, one in self._backend.data_service.items() if one.key.job_id == job_id}

    def changed(self, status: JobStatus) -> None:
        """Tell subscribers of a status."""
        for subscriber in list(self._subscribers):
            subscriber(status)

    def subscribe(self, subscriber: Any) -> None:
        """Tell a subscriber of each status."""
        self._subscribers.append(subscriber)


class WorkflowController:
    """Starts, changes, resets and stops the jobs of workflows."""

    def __init__(self, backend: DashboardBackend) -> None:
        self._backend = backend

    def start_workflow(
        self,
        workflow_id: WorkflowId | str,
        source_names: Iterable[str],
        config: Any = None,
        aux_source_names: Mapping[str, str] | None = None,
        *,
        start_time_ns: int | None = None,
        end_time_ns: int | None = None,
    ) -> list[JobId]:
        """Start a workflow for each source, under one new job number; results of jobs before are let go. Return the jobs.

        workflow_id: also as text, `instrument/name/version`. config: parameters as a mapping, or an object with `model_dump`.
        """
        found = _workflow_id(workflow_id)
        number, message_id = str(uuid4()), str(uuid4())
        commands = [
            StartJob(
                workflow_id=found,
                job_id=JobId(source_name=source, job_number=number),
                message_id=message_id,
                start_time_ns=start_time_ns,
                end_time_ns=end_time_ns,
                aux_source_names=dict(aux_source_names or {}),
                params=_params(config),
            )
            for source in source_names
        ]
        if not commands:
            return []
        sources = {command.job_id.source_name for command in commands}
        old = [job for _, job in self._backend.jobs.current_jobs(sources, found)]
        jobs = self._backend.jobs.start(commands, time.monotonic())
        self._backend.data_service.drop(lambda key: key.workflow_id == found and key.source_name in sources)
        for command in commands:
            self._backend.send(self._backend.topics.commands, encode_command(command))
        for job in old:
            self._command(JobAction.STOP, job, found)
        return list(jobs)

    def update_config(self, workflow_id: WorkflowId | str, source_names: Iterable[str], config: Any = None, **more: Any) -> list[JobId]:
        """Start a workflow anew with other parameters; the jobs before are stopped, and their late results not admitted."""
        return self.start_workflow(workflow_id, source_names, config, **more)

    def reset_workflow(self, workflow_id: WorkflowId | str) -> None:
        """Begin the counts of all jobs of a workflow anew."""
        found = _workflow_id(workflow_id)
        command = JobCommand(action=JobAction.RESET, workflow_id=found, message_id=str(uuid4()))
        self._backend.jobs.command(command, (), time.monotonic())
        self._backend.send(self._backend.topics.commands, encode_command(command))

    def reset_job(self, job_id: JobId) -> str:
        """Begin the counts of a job anew; return the command's message id."""
        return self._command(JobAction.RESET, job_id, None)

    def stop_workflow(self, *what: Any) -> list[JobId]:
        """Stop jobs: those of a workflow (`workflow_id`), of sources (a list), or of both; all current ones if nothing is said."""
        workflow_id, sources = None, None
        for one in what:
            if isinstance(one, WorkflowId) or (isinstance(one, str) and one.count("/") == 2):
                workflow_id = _workflow_id(one)
            else:
                sources = [one] if isinstance(one, str) else list(one)
        chosen = list(self._backend.jobs.current_jobs(sources, workflow_id))
        for workflow, job in chosen:
            self._command(JobAction.STOP, job, workflow)
        return [job for _, job in chosen]

    def wait_for_answer(self, within_s: float = 30.0) -> None:
        """Wait until every command of this client is answered.

        Raises:
            JobRefused: one was refused; with the reasons.
            WaitTimeout: one was not answered in time.
        """
        deadline = Deadline(within_s)
        while waiting := [one for one in self._backend.jobs.pending.values() if not one.is_answered]:
            if deadline.passed:
                raise WaitTimeout(f"no answer within {within_s:g} s: {'; '.join(one.what for one in waiting)}; is a worker running?")
            self._backend.update()
        problems = [one.problem for one in self._backend.jobs.pending.values() if one.problem]
        self._backend.jobs.pending.clear()
        if problems:
            raise JobRefused("; ".join(problems))

    @property
    def pending(self) -> tuple[Pending, ...]:
        """Return the commands of this client, with the answers so far."""
        return tuple(self._backend.jobs.pending.values())

    def _command(self, action: JobAction, job_id: JobId, workflow_id: WorkflowId | None) -> str:
        message_id = str(uuid4())
        command = JobCommand(action=action, job_id=job_id, workflow_id=workflow_id, message_id=message_id)
        self._backend.jobs.command(command, [job_id], time.monotonic())
        self._backend.send(self._backend.topics.commands, encode_command(command))
        return message_id


def _workflow_id(value: WorkflowId | str) -> WorkflowId:
    return value if isinstance(value, WorkflowId) else workflow_id_of(value)


def _params(config: Any) -> Mapping[str, Any]:
    dump = getattr(config, "model_dump", None)
    found = dump(mode="json") if dump is not None else config
    return dict(found or {})
