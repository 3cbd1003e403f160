"""The file-writer, as two devices: one that follows its jobs, one that starts and stops them.

A job is followed from before its start command is sent, since the answer may come at once. The newest jobs are kept in the cache, so that
a daemon which was started anew goes on following them.
Source: docs/reference/contracts/control.md, "File-writer jobs".
"""

import json
import secrets
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from testbeam.errors import ControlError, DeviceError
from testbeam.model.runs import RunStart, RunStop
from testbeam.services.control.devices import experiment as experiments
from testbeam.services.control.devices.alias import DeviceAlias
from testbeam.services.control.devices.experiment import Experiment, Instrument
from testbeam.services.control.devices.kafka_devices import KafkaDevice
from testbeam.services.control.devices.nexus_structure import NexusStructure
from testbeam.services.control.devices.params import Param
from testbeam.services.control.devices.status import State, Status
from testbeam.tracking.writer_job import JobRecord, JobState, JobTracker
from testbeam.wire.flatbuffers.schemas.run_start_pl72 import encode_pl72
from testbeam.wire.flatbuffers.schemas.run_stop_6s4t import encode_6s4t

_TEN_YEARS_MS = 10 * 365 * 86_400_000


class FollowedJob:
    """A job, under the names that scripts in the field use."""

    def __init__(self, record: JobRecord) -> None:
        self._record = record

    def __getattr__(self, word: str) -> Any:
        return getattr(self._record, word)

    @property
    def job_number(self) -> int:
        """Return the number of its file."""
        return self._record.number

    @property
    def error_msg(self) -> str:
        """Return what went wrong first."""
        return self._record.error

    def get_state_string(self) -> str:
        """Return the state's name."""
        return self._record.state.name


class FileWriterStatus(KafkaDevice):
    """Follows the jobs of the file-writers."""

    parameters: ClassVar[Mapping[str, Param]] = {
        "job_history": Param(description="the newest jobs", type=list, default=[], settable=True, internal=True),
    }
    field_names: ClassVar[tuple[str, ...]] = ("nicos_ess.devices.datasinks.file_writer.FileWriterStatus",)

    def init(self) -> None:
        """Take up the jobs of the cache, and listen."""
        self._lock = threading.RLock()
        self._tracker = JobTracker()
        for plain in self.job_history:
            try:
                self._tracker.add(JobRecord.from_plain(dict(plain), self.host.now_s()))
            except (KeyError, TypeError, ValueError) as error:
                self.log.warning(f"a job in the cache is not taken up: {error}")
        super().init()

    @property
    def _jobs_in_order(self) -> dict[str, FollowedJob]:
        return {job_id: FollowedJob(record) for job_id, record in self.jobs.items()}

    @property
    def jobs(self) -> dict[str, JobRecord]:
        """Return the newest jobs by id, oldest first."""
        with self._lock:
            return dict(self._tracker.jobs)

    def add(self, record: JobRecord) -> None:
        """Follow a job."""
        with self._lock:
            self._tracker.add(record)
        self._keep_jobs()

    def request_stop(self, job_id: str) -> None:
        """Note that a job is asked to stop."""
        with self._lock:
            self._tracker.request_stop(job_id, self.host.now_s())
        self._keep_jobs()

    def in_progress(self) -> list[JobRecord]:
        """Return the jobs that a new one has to wait for."""
        with self._lock:
            return self._tracker.in_progress

    def take(self, message: Any) -> None:
        """Take in what a writer says."""
        with self._lock:
            changed = self._tracker.take(message, self.host.now_s())
        if changed is not None:
            self._tell(changed)

    def nothing_waits(self) -> None:
        """Look for jobs whose writer is silent."""
        with self._lock:
            lost = self._tracker.look_for_lost(self.host.now_s())
        for job in lost:
            self._tell(job)

    def do_status(self) -> Status:
        """Return BUSY while files are written, an error where one failed."""
        busy = [job for job in self.jobs.values() if job.in_progress]
        failed = [job for job in busy if job.state is JobState.FAILED]
        if failed:
            return State.ERROR, f"job {failed[-1].number} failed: {failed[-1].error}; stop_filewriting({failed[-1].number}) puts it aside"
        if any(job.state is JobState.STARTED for job in busy):
            return State.BUSY, f"recording data, job {busy[-1].number}"
        return (State.BUSY, f"waiting for a file-writer, job {busy[-1].number}") if busy else (State.OK, "idle")

    def _tell(self, job: JobRecord) -> None:
        self._keep_jobs()
        if job.state in (JobState.FAILED, JobState.REJECTED):
            self.log.error(f"job {job.number} is {job.state.name}: {job.error}")
        self.host.cache.put(f"{self.key}/status", self.do_status())
        self.host.woken.set()

    def _keep_jobs(self) -> None:
        self.keep("job_history", [job.as_plain() for job in self.jobs.values()])


class FileWriterControl(KafkaDevice):
    """Starts and stops jobs."""

    parameters: ClassVar[Mapping[str, Param]] = {
        "pool_topic": Param(description="topic of start commands", type=str, mandatory=True),
        "instrument_topic": Param(description="topic of stop commands and answers", type=str, mandatory=True),
        "use_instrument_directory": Param(description="whether paths begin with the instrument's name", type=bool, default=False),
        "timeoutinterval": Param(description="how long a start is waited for", default=5, settable=True),
        "make_folders": Param(description="whether missing folders below the data root are made", type=bool, default=True),
        "file_output_dir": Param(description="kept for old setups", default=None),
    }
    attached: ClassVar[Mapping[str, bool]] = {"status": False, "nexus": False}
    field_names: ClassVar[tuple[str, ...]] = ("nicos_ess.devices.datasinks.file_writer.FileWriterControlSink",)

    def topics(self) -> list[str]:
        """Return none: the other device listens."""
        return []

    def start_job(self, title: str = "") -> JobRecord:
        """Send a start command; return its job, which may not be taken by any writer yet.

        Raises:
            ControlError: a job is in progress, or there is no experiment.
            DeviceError: Kafka does not take the command.
        """
        busy = self.jobs.in_progress()
        if busy:
            raise ControlError(f"job {busy[-1].number} is in progress ({busy[-1].state.name}); stop_filewriting() first")
        experiment = self._experiment()
        if not experiment.proposal:
            raise ControlError("there is no experiment; NewExperiment(proposal, title) first")
        number, now_ms = experiment.next_file(), round(self.host.now_s() * 1000)
        job_id = constructed_id(experiment.proposal, number)
        about = experiments.metadata(experiment, now_ms / 1000) | ({"title": title} if title else {})
        structure = self.nexus.get_structure(about, number, job_id)
        return self._start(number, job_id, structure, now_ms, now_ms + _TEN_YEARS_MS, about)

    def replay_job(self, number: int) -> JobRecord:
        """Have the data of a finished job written once more, into a new file.

        Raises:
            ControlError: there is no such job among the newest, or it still runs.
        """
        old = next((job for job in self.jobs.jobs.values() if job.number == number), None)
        if old is None or not old.stopped_s:
            raise ControlError(f"there is no finished job {number} among the newest; list_filewriting_jobs() lists them")
        new, experiment = self._experiment().next_file(), self._experiment()
        job_id, about = constructed_id(experiment.proposal, new), experiments.metadata(experiment, old.started_s)
        structure = self.nexus.get_structure(about, new, job_id)
        return self._start(new, job_id, structure, round(old.started_s * 1000), round(old.stopped_s * 1000), about)

    def stop_job(self, number: int | None = None) -> JobRecord | None:
        """Send a stop command for the job in progress, or that of this number; return it, None where there is none to stop.

        Raises:
            ControlError: several are in progress and none is named, or the one named is not there.
        """
        busy = self.jobs.in_progress()
        if number is not None:
            busy = [job for job in busy if job.number == number]
            if not busy:
                raise ControlError(f"there is no job {number} in progress; list_filewriting_jobs() lists them")
        if not busy:
            return None
        if len(busy) > 1:
            raise ControlError(f"jobs {', '.join(str(job.number) for job in busy)} are in progress; say which one to stop")
        job = busy[0]
        stop = RunStop(
            job_id=job.job_id,
            command_id=constructed_id(self._experiment().proposal, job.number),
            stop_time_ms=round(self.host.now_s() * 1000),
            service_id=job.service_id,
        )
        self.jobs.request_stop(job.job_id)
        self.send(self.instrument_topic, encode_6s4t(stop))
        return job

    def get_active_jobs(self) -> list[str]:
        """Return the ids of the jobs in progress."""
        return [job.job_id for job in self.jobs.in_progress()]

    def list_jobs(self) -> list[tuple[Any, ...]]:
        """Return the newest jobs as rows: id, number, state, whether it is asked to stop, error, service id, file."""
        return [
            (job.job_id, job.number, job.state.name, job.stop_requested, job.error, job.service_id, job.file_name)
            for job in self.jobs.jobs.values()
        ]

    @property
    def jobs(self) -> FileWriterStatus:
        """Return the device that follows the jobs."""
        found = _real(self.attached_device("status"))
        if not isinstance(found, FileWriterStatus):
            raise DeviceError(f"{self.name}: `status` names no file-writer status device")
        return found

    @property
    def nexus(self) -> NexusStructure:
        """Return the device that makes structures."""
        found = _real(self.attached_device("nexus"))
        if not isinstance(found, NexusStructure):
            raise DeviceError(f"{self.name}: `nexus` names no NeXus structure device")
        return found

    def do_status(self) -> Status:
        """Return the status of the jobs."""
        return self.jobs.do_status()

    def _start(self, number: int, job_id: str, structure: str, start_ms: int, stop_ms: int, about: Mapping[str, Any]) -> JobRecord:
        name = self._file_name(number)
        self.jobs.add(JobRecord(job_id=job_id, number=number, started_s=start_ms / 1000, file_name=name))
        start = RunStart(
            job_id=job_id,
            filename=name,
            nexus_structure=structure,
            control_topic=self.instrument_topic,
            start_time_ms=start_ms,
            stop_time_ms=stop_ms,
            instrument_name=self.nexus.instrument_name,
            metadata=json.dumps(about),
        )
        try:
            self.send(self.pool_topic, encode_pl72(start))
        except DeviceError:
            self.jobs.request_stop(job_id)
            raise
        return self.jobs.jobs[job_id]

    def _file_name(self, number: int) -> str:
        instrument = self.host.find_device(str(self.host.sysconfig.get("instrument", "")))
        name = instrument.instrument if isinstance(instrument, Instrument) else ""
        experiment = self._experiment()
        words_ = [one.lower() for one in dict.fromkeys((name, self.nexus.instrument_name)) if one]
        folder = experiment.proposal_path(name, bool(self.use_instrument_directory))
        if self.make_folders:
            (Path(experiment.dataroot) / folder).mkdir(parents=True, exist_ok=True)  # the file-writer makes none
        return f"{folder}/{'_'.join((*words_, experiment.proposal))}_{number:08d}.hdf"

    def _experiment(self) -> Experiment:
        found = self.host.find_device(str(self.host.sysconfig.get("experiment", "")))
        if not isinstance(found, Experiment):
            raise ControlError("the loaded setups have no experiment; sysconfig names none, or it could not be made")
        return found


def constructed_id(proposal: str, number: int) -> str:
    """Return a UUID that tells proposal and file number in its first twelve digits, six each."""
    digits = "".join(one for one in proposal if one.isdigit())[-6:]
    head = f"{digits:0>6}{number % 1_000_000:06d}"
    tail = secrets.token_hex(10)
    return f"{head[:8]}-{head[8:]}-5{tail[:3]}-8{tail[3:6]}-{tail[6:18]}"


def _real(device: Any) -> Any:
    return device.real if isinstance(device, DeviceAlias) else device


__all__ = ["FileWriterControl", "FileWriterStatus", "FollowedJob", "constructed_id"]
