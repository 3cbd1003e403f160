"""How a file-writer becomes part of a stack: ours, or the facility's own build of kafka-to-nexus."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbeam.kit.handle import Handle
from testbeam.kit.spec import Seen, Service

if TYPE_CHECKING:
    from testbeam.clients.file_writer import FileWriterClient, Job
    from testbeam.transport.kafka import Reader

__all__ = ["FileWriterHandle", "IdleStatus", "filewriter"]

_PROGRAM = ("${python}", "-m", "testbeam.services.filewriter")
_INI = "config-files/${name}.ini"
_COMMAND = "config-files/${name}-command.json"
_READY_FILE = "${dir}/ready"
_LOOK_S = 0.2
_NEWEST = 100  # messages of the status topic in which the status of this start is looked for at first


class FileWriterHandle(Handle):
    """A running file-writer: its jobs and its files."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._client: FileWriterClient | None = None

    @property
    def client(self) -> "FileWriterClient":
        """Return the client of the writer's pool; with several writers in it, any of them may take a job."""
        if self._client is None:
            from testbeam.clients.file_writer import FileWriterClient  # late: the client library is 70 ms of a start that may not need it
            from testbeam.transport.kafka import Kafka

            topics = {word: self.options[word] for word in ("pool_topic", "status_topic", "control_topic")}
            self._client = FileWriterClient(kafka=Kafka(bootstrap=self.fill(self.options["brokers"])), **topics)
        return self._client

    @property
    def output(self) -> Path:
        """Return the folder below which its files go."""
        return Path(self.fill(self.options["output"]))

    def start_job(self, nexus_structure: str, filename: str, **more: Any) -> "Job":
        """Send a start command; see `FileWriterClient.start` for what else there is to say."""
        return self.client.start(nexus_structure, filename, **more)

    def close(self) -> None:
        """Leave the broker; called at the end of the run."""
        if self._client is not None:
            self._client.close()
            self._client = None


@dataclass(frozen=True, slots=True)
class IdleStatus:
    """Ready when a status (x5f2) of this start is on Kafka.

    Our writer notes in the file `told_by` (a template) that Kafka acknowledged its first status; others are looked for on the topic.
    """

    told_by: str = ""

    def check(self, service: Handle) -> Seen:
        """Look once."""
        return _see_file(Path(service.fill(self.told_by)), service.pid) if self.told_by else _see_topic(service)


def filewriter(
    *,
    name: str = "filewriter",
    broker: str = "broker",
    output: Path | str = "${dir}",
    pool_topic: str = "tb_filewriter_pool",
    status_topic: str = "tb_filewriter_status",
    control_topic: str = "tb_filewriter_control",
    time_after_stop_s: float = 1.0,
    status_interval_s: float = 2.0,
    flush_interval_s: float = 1.0,
    ini: Mapping[str, Any] | None = None,
    startup_command: Mapping[str, Any] | list[Any] | None = None,
    command: tuple[str, ...] = (),
) -> Service:
    """Return a file-writer that takes jobs from the pool; its files go below `output`.

    control_topic: where its client's jobs are answered. time_after_stop_s: how long after a stop late data are waited for.
    ini: further options by their long names. startup_command: jobs to do at its start, as JSON. command: the
    facility's own build, up to its options; it gets the same ini file.
    """
    options = {
        "pool_topic": pool_topic,
        "status_topic": status_topic,
        "control_topic": control_topic,
        "brokers": f"${{{broker}.kafka}}",
        "output": str(output),
    }
    settings = {
        "brokers": options["brokers"],
        "command-status-topic": status_topic,
        "job-pool-topic": pool_topic,
        "hdf-output-prefix": options["output"],
        "time-after-stop": f"{round(time_after_stop_s * 1000)}ms",
        "status-master-interval": f"{round(status_interval_s * 1000)}ms",
        "data-flush-interval": f"{round(flush_interval_s * 1000)}ms",
    }
    service = Service(
        name,
        role="filewriter",
        command=(*(command or _PROGRAM), "-c", f"${{run_dir}}/{_INI}", *(() if command else ("--ready-file", _READY_FILE))),
        needs=(broker,),
        eager=not command,  # a foreign one may give up where there is no broker
        ready=IdleStatus("" if command else _READY_FILE),
        handle=FileWriterHandle,
        options=options | {"settings": settings},
        configure=_configured,
    )
    further = {"ini": ini, "startup_command": startup_command}
    return _configured(service, {word: value for word, value in further.items() if value is not None})


def _configured(service: Service, changes: Mapping[str, Any]) -> Service:
    """Return the service with more settings (`ini`) or a start-up command; both are files of the run."""
    settings = dict(service.options["settings"]) | dict(changes.get("ini", {}))
    files = dict(service.files)
    if "startup_command" in changes:
        files[_COMMAND] = json.dumps(changes["startup_command"]).replace("$", "$$")
        settings["start-command"] = f"${{run_dir}}/{_COMMAND}"
    lines = ["[filewriter]", *(f"{key}={value}" for key, value in settings.items())]
    files[_INI] = "\n".join(lines) + "\n"
    return replace(service, files=files, options={**service.options, "settings": settings})


def _see_file(path: Path, pid: int | None) -> Seen:
    told = path.read_text() if path.exists() else ""
    if told != str(pid):
        return Seen(
            ready=False, detail=f"Kafka has not acknowledged a status yet ({path} is {'of an earlier start' if told else 'not there'})"
        )
    return Seen(ready=True, detail="Kafka has its idle status")


def _see_topic(service: Handle) -> Seen:
    from testbeam.errors import WireError
    from testbeam.wire.flatbuffers.service_status_x5f2 import decode_x5f2

    topic, seen = service.options["status_topic"], 0
    reader = _reader_of(service, topic)
    for message in reader.read(_NEWEST, _LOOK_S):
        seen += 1
        try:
            status = decode_x5f2(message.value() or b"")
        except WireError:
            continue
        if service.pid in (None, status.process_id):
            reader.close()
            return Seen(ready=True, detail=f"{status.service_id} says {status.status_json[:200]}")
    return Seen(ready=False, detail=f"{seen} new messages on {topic!r}, none of them a status of process {service.pid}")


def _reader_of(service: Handle, topic: str) -> "Reader":
    from testbeam.transport.kafka import Kafka

    memory = service.memory
    if "reader" not in memory:
        memory["reader"] = Kafka(bootstrap=service.fill(service.options["brokers"])).reader()
    reader: Reader = memory["reader"]
    if not memory.get("assigned"):
        ends = reader.watermarks(topic, _LOOK_S)
        reader.assign({(topic, p): max(low, high - _NEWEST) for p, (low, high) in ends.items()})
        memory["assigned"] = True
    return reader
