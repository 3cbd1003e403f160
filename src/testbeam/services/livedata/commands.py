"""Commands: what a worker does for each, and what it answers; None where the command is not its own.

Source: docs/reference/contracts/livedata.md, "Commands".
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from testbeam.errors import SettingsError, TestbeamError
from testbeam.model.live import Answer, JobAction, JobCommand, JobId, StartJob
from testbeam.services.livedata.jobs import Job
from testbeam.services.livedata.workflows.seam import Spec


@dataclass(slots=True)
class Jobs:
    """The jobs of a worker; `hosted` are the services whose workflows it runs, `owns` says which jobs of those are its own."""

    instrument: str
    specs: Mapping[tuple[str, int], Spec]
    hosted: frozenset[str]
    length_ns: int
    owns: Callable[[JobId], bool] = lambda _job_id: True
    by_id: dict[JobId, Job] = field(default_factory=dict)
    stopped: list[Job] = field(default_factory=list)
    started: list[Job] = field(default_factory=list)

    def __iter__(self) -> Iterator[Job]:
        return iter(self.by_id.values())

    def start(self, command: StartJob) -> Answer | None:
        """Start a job; where it can't be, jobs that run go on."""
        spec = self._spec(command)
        if spec is None or spec.service not in self.hosted or not self.owns(command.job_id):
            return None
        device = command.job_id.source_name
        try:
            self._add(command, spec)
        except TestbeamError as error:
            return Answer(message_id=command.message_id, device=device, error=str(error))
        except Exception as error:  # a workflow may be anybody's code
            return Answer(message_id=command.message_id, device=device, error=f"{type(error).__name__}: {error}")
        return Answer(message_id=command.message_id, device=device)

    def command(self, command: JobCommand) -> Answer | None:
        """Do what a command asks of jobs."""
        chosen = self._chosen(command)
        if not chosen:
            return None
        problems = [problem for job in chosen if (problem := self._do(job, command.action))]
        return Answer(message_id=command.message_id, device=device_of(command), error="; ".join(problems))

    def is_hosted(self, command: StartJob) -> bool:
        """Return whether this worker's services have a command's workflow, whoever owns the job."""
        spec = self._spec(command)
        return spec is not None and spec.service in self.hosted

    def remove(self, job: Job) -> None:
        """Take a job out."""
        self.by_id.pop(job.job_id, None)
        self.stopped.append(job)

    def why_not(self, command: StartJob | JobCommand) -> str:
        """Return why nobody can do a command, as far as the catalogue tells."""
        if isinstance(command, StartJob):
            return self._why_no_start(command)
        if command.job_id is not None:
            return f"there is no job {command.job_id}"
        if command.workflow_id is not None:
            return f"there is no job of {command.workflow_id}"
        if command.all_jobs:
            return "there are no jobs"
        return 'neither job_id nor workflow_id is given; to mean every job, say "all_jobs": true'

    def _spec(self, command: StartJob) -> Spec | None:
        workflow_id = command.workflow_id
        return self.specs.get((workflow_id.name, workflow_id.version)) if workflow_id.instrument == self.instrument else None

    def _add(self, command: StartJob, spec: Spec) -> None:
        source = command.job_id.source_name
        if source not in spec.sources:
            raise SettingsError("source_name", source, f"a source of {spec.name}: {', '.join(spec.sources)}")
        if command.end_time_ns is not None and command.end_time_ns <= (command.start_time_ns or 0):
            raise SettingsError("schedule.end_time", command.end_time_ns, "a time after start_time")
        aux = {role: command.aux_source_names.get(role, names[0]) for role, names in spec.aux.items()}
        for role, name in aux.items():
            if name not in spec.aux[role]:
                raise SettingsError(f"aux_source_names.{role}", name, f"one of {', '.join(spec.aux[role])}")
        workflow = spec.make(source, command.params, aux)
        waits_for = set(aux.values()) if spec.gates else set()
        job = Job(start=command, spec=spec, workflow=workflow, length_ns=self.length_ns, waits_for=waits_for)
        if (old := self.by_id.get(command.job_id)) is not None:
            self.remove(old)
        self.by_id[command.job_id] = job
        self.started.append(job)

    def _chosen(self, command: JobCommand) -> list[Job]:
        if command.job_id is not None:
            job = self.by_id.get(command.job_id)
            return [] if job is None else [job]
        if command.workflow_id is not None:
            return [job for job in self.by_id.values() if job.start.workflow_id == command.workflow_id]
        return list(self.by_id.values()) if command.all_jobs else []

    def _do(self, job: Job, action: JobAction) -> str:
        """Do it; return why it can't be."""
        if action is JobAction.STOP:
            job.flush()
            self.remove(job)
        elif action is not JobAction.RESET:
            return f"{action} is not implemented; a job can be reset or stopped"
        elif not job.spec.supports_reset:
            return f"job {job.job_id} of {job.spec.name} can't be reset; start it anew"
        else:
            job.reset()
        return ""

    def _why_no_start(self, command: StartJob) -> str:
        workflow_id = command.workflow_id
        if workflow_id.instrument != self.instrument:
            return f"instrument {workflow_id.instrument!r} is not served here, but {self.instrument!r}"
        if self._spec(command) is None:
            return f"there is no workflow {workflow_id}; there are {', '.join(sorted(name for name, _ in self.specs))}"
        return f"no worker serves {workflow_id}"


def device_of(command: StartJob | JobCommand) -> str:
    """Return whom an answer is about."""
    if isinstance(command, StartJob):
        return command.job_id.source_name
    return "all" if command.job_id is None else str(command.job_id)
