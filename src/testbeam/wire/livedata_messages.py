"""Live data's JSON: commands, answers, keys of results, and the status within heartbeats.

Readers take what older and newer senders leave out or add; only what can't be understood is an error.
Source: docs/reference/contracts/livedata.md, "Commands", "Results", "Heartbeats".
"""

import json
from collections.abc import Mapping
from typing import Any, NoReturn
from uuid import UUID

from testbeam.errors import WireError
from testbeam.model.live import (
    Answer,
    JobAction,
    JobCommand,
    JobId,
    JobState,
    JobStatus,
    ResultKey,
    ServiceState,
    StartJob,
    WorkerStatus,
    WorkflowId,
)

COMMAND = "live data command"
LONGEST = 1_000_000  # bytes of a command; more is no command

JOB_STATUS = {
    JobState.SCHEDULED: 235,
    JobState.ACTIVE: 200,
    JobState.FINISHING: 200,
    JobState.WARNING: 210,
    JobState.PENDING_CONTEXT: 210,
    JobState.ERROR: 240,
    JobState.STOPPED: 999,
}
SERVICE_STATUS = {ServiceState.STARTING: 235, ServiceState.RUNNING: 200, ServiceState.STOPPED: 235, ServiceState.ERROR: 240}


class CommandError(WireError):
    """A command that can't be understood, with what of it could: whom to answer."""

    def __init__(self, problem: str, message_id: str | None = None, device: str = "all") -> None:
        super().__init__(COMMAND, problem)
        self.message_id = message_id
        self.device = device


def decode_command(payload: bytes) -> StartJob | JobCommand:
    """Return the command.

    Raises:
        CommandError: it is none; names what is wrong, and the message id where there is one.
    """
    document = _object(payload)
    message_id = document.get("message_id")
    message_id = message_id if isinstance(message_id, str) else None
    kind = document.get("kind", "job_command" if "action" in document else None)
    try:
        if kind == "workflow_config":
            return _start(document, message_id)
        if kind == "job_command":
            return _job_command(document, message_id)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)
        raise CommandError(what, message_id, _device(document)) from None
    raise CommandError(f"kind {kind!r} is unknown; there are workflow_config and job_command", message_id)


def encode_command(command: StartJob | JobCommand) -> bytes:
    """Return the command's JSON."""
    document: dict[str, Any]
    if isinstance(command, StartJob):
        document = {
            "kind": "workflow_config",
            "identifier": _workflow_tree(command.workflow_id),
            "message_id": command.message_id,
            "job_id": _job_tree(command.job_id),
            "schedule": {"start_time": command.start_time_ns, "end_time": command.end_time_ns},
            "aux_source_names": dict(command.aux_source_names),
            "params": dict(command.params),
        }
    else:
        document = {"kind": "job_command", "action": command.action.value}
        document |= {"job_id": _job_tree(command.job_id)} if command.job_id else {}
        document |= {"workflow_id": str(command.workflow_id)} if command.workflow_id else {}
        document |= {"all_jobs": True} if command.all_jobs else {}
        document |= {"message_id": command.message_id} if command.message_id else {}
    return _dumps(document).encode()


def decode_answer(payload: bytes) -> Answer:
    """Return the answer.

    Raises:
        WireError: it is none.
    """
    document = _object(payload)
    response = document.get("response")
    if response not in ("ACK", "ERR"):
        raise WireError("live data answer", f"response is {response!r}, neither ACK nor ERR")
    error = str(document.get("message") or "no reason was given") if response == "ERR" else ""
    return Answer(message_id=document.get("message_id"), device=str(document.get("device", "")), error=error)


def encode_answer(answer: Answer) -> bytes:
    """Return the answer's JSON."""
    response, message = ("ERR", answer.error) if answer.error else ("ACK", None)
    return _dumps({"message_id": answer.message_id, "device": answer.device, "response": response, "message": message}).encode()


def encode_result_key(key: ResultKey) -> str:
    """Return the source name of a result's message."""
    return _dumps({"workflow_id": _workflow_tree(key.workflow_id), "job_id": _job_tree(key.job_id), "output_name": key.output_name})


def decode_result_key(source_name: str) -> ResultKey:
    """Return whose result a message with this source name is.

    Raises:
        WireError: the name is no such key.
    """
    document = _object(source_name.encode())
    try:
        return ResultKey(
            workflow_id=workflow_id_of(document["workflow_id"]),
            job_id=job_id_of(document["job_id"]),
            output_name=_text(document.get("output_name", "result"), "output_name"),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise WireError("live data result", f"{source_name[:100]!r} is no key of a result: {error}") from None


def job_service_id(job_id: JobId) -> str:
    """Return the service id of a job's heartbeat."""
    return f"{job_id.source_name}:{job_id.job_number}"


def worker_service_id(status: WorkerStatus) -> str:
    """Return the service id of a worker's heartbeat."""
    return f"{status.instrument}:{status.service_name}:{status.worker_id}"


def encode_job_status(status: JobStatus) -> str:
    """Return the status_json of a job."""
    message = {
        "message_type": "job",
        "state": status.state.value,
        "warning": status.warning or None,
        "error": status.error or None,
        "job_id": _job_tree(status.job_id),
        "workflow_id": str(status.workflow_id),
        "start_time": status.start_time_ns,
        "end_time": status.end_time_ns,
        **status.more,
    }
    return _dumps({"status": JOB_STATUS[status.state], "message": message})


def encode_worker_status(status: WorkerStatus) -> str:
    """Return the status_json of a worker."""
    message = {
        "message_type": "service",
        "instrument": status.instrument,
        "service_name": status.service_name,
        "worker_id": status.worker_id,
        "state": status.state.value,
        "started_at": status.started_at_ns,
        "active_job_count": status.active_job_count,
        "error": status.error or None,
        "batch_interval_s": status.batch_interval_s,
        "stream_stats": status.stream_stats,
        **status.more,
    }
    return _dumps({"status": SERVICE_STATUS[status.state], "message": message})


def decode_status(status_json: str) -> JobStatus | WorkerStatus:
    """Return what a heartbeat's status_json says; keys beyond the known ones are in `more`.

    Raises:
        WireError: it is neither a job's nor a worker's.
    """
    message = _object(status_json.encode()).get("message")
    try:
        if isinstance(message, dict) and message.get("message_type") == "job":
            return _job_status(message)
        if isinstance(message, dict) and message.get("message_type") == "service":
            return _worker_status(message)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise WireError("live data status", f"{type(error).__name__}: {error}") from None
    raise WireError("live data status", "message_type is neither job nor service")


def workflow_id_of(value: Any) -> WorkflowId:
    """Return the workflow id of its object, or of its text `instrument/name/version`.

    Raises:
        ValueError, KeyError: it is neither.
    """
    if isinstance(value, str):
        parts = value.split("/")
        if len(parts) != 3:
            raise ValueError(f"workflow id {value!r} is not instrument/name/version")
        return WorkflowId(instrument=parts[0], name=parts[1], version=int(parts[2]))
    version = value["version"]
    if isinstance(version, bool) or not isinstance(version, int):
        raise TypeError(f"version {version!r} is no whole number")
    return WorkflowId(instrument=_text(value["instrument"], "instrument"), name=_text(value["name"], "name"), version=version)


def job_id_of(value: Any) -> JobId:
    """Return the job id of its object.

    Raises:
        ValueError, KeyError: it is none.
    """
    number = str(UUID(_text(value["job_number"], "job_number")))
    return JobId(source_name=_text(value["source_name"], "source_name"), job_number=number)


def _start(document: Mapping[str, Any], message_id: str | None) -> StartJob:
    schedule = document.get("schedule") or {}
    aux, params = document.get("aux_source_names") or {}, document.get("params") or {}
    if not isinstance(params, dict) or not isinstance(aux, dict):
        raise TypeError("params and aux_source_names have to be objects")
    return StartJob(
        workflow_id=workflow_id_of(document["identifier"]),
        job_id=job_id_of(document["job_id"]),
        message_id=message_id,
        start_time_ns=_time_ns(schedule.get("start_time"), "start_time"),
        end_time_ns=_time_ns(schedule.get("end_time"), "end_time"),
        aux_source_names={str(role): str(name) for role, name in aux.items()},
        params=params,
    )


def _job_command(document: Mapping[str, Any], message_id: str | None) -> JobCommand:
    action = document["action"]
    if action not in set(JobAction):
        raise ValueError(f"action {action!r} is unknown; there are {', '.join(JobAction)}")
    job_id, workflow_id = document.get("job_id"), document.get("workflow_id")
    return JobCommand(
        action=JobAction(action),
        message_id=message_id,
        job_id=None if job_id is None else job_id_of(job_id),
        workflow_id=None if workflow_id is None else workflow_id_of(workflow_id),
        all_jobs=document.get("all_jobs") is True,
        old_form="kind" not in document,
    )


def _job_status(message: dict[str, Any]) -> JobStatus:
    known = {"message_type", "state", "warning", "error", "job_id", "workflow_id", "start_time", "end_time"}
    return JobStatus(
        job_id=job_id_of(message["job_id"]),
        workflow_id=workflow_id_of(message["workflow_id"]),
        state=JobState(message["state"]),
        warning=message.get("warning") or "",
        error=message.get("error") or "",
        start_time_ns=message.get("start_time"),
        end_time_ns=message.get("end_time"),
        more={key: value for key, value in message.items() if key not in known},
    )


def _worker_status(message: dict[str, Any]) -> WorkerStatus:
    known = {"message_type", "instrument", "service_name", "worker_id", "state", "started_at", "active_job_count", "error"}
    known |= {"batch_interval_s", "stream_stats"}
    return WorkerStatus(
        instrument=message["instrument"],
        service_name=message["service_name"],
        worker_id=message["worker_id"],
        state=ServiceState(message["state"]),
        started_at_ns=int(message["started_at"]),
        active_job_count=int(message["active_job_count"]),
        error=message.get("error") or "",
        batch_interval_s=float(message.get("batch_interval_s", 1.0)),
        stream_stats=message.get("stream_stats"),
        more={key: value for key, value in message.items() if key not in known},
    )


def _device(document: Mapping[str, Any]) -> str:
    job = document.get("job_id")
    if not isinstance(job, dict) or not isinstance(source := job.get("source_name"), str):
        return "all"
    return source if document.get("kind") == "workflow_config" else f"{source}/{job.get('job_number')}"


def _object(payload: bytes) -> dict[str, Any]:
    if len(payload) > LONGEST:
        raise CommandError(f"{len(payload)} bytes are too long")
    try:
        document = json.loads(payload.decode(), parse_constant=_refuse)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise CommandError(f"is no JSON: {error}") from None
    if not isinstance(document, dict):
        raise CommandError(f"is {type(document).__name__}, not an object")
    return document


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError(f"{name} {value!r} is no text")
    return value


def _time_ns(value: Any, name: str) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise ValueError(f"{name} {value!r} is no whole number of ns since 1970")
    return value


def _workflow_tree(workflow_id: WorkflowId) -> dict[str, Any]:
    return {"instrument": workflow_id.instrument, "name": workflow_id.name, "version": workflow_id.version}


def _job_tree(job_id: JobId) -> dict[str, str]:
    return {"source_name": job_id.source_name, "job_number": job_id.job_number}


def _dumps(document: Any) -> str:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)
