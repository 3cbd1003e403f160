"""File-writer as part of a stack: ours, or the facility's own build of kafka-to-nexus."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbeam.errors import StackError
from testbeam.kit.handle import Handle
from testbeam.kit.spec import Service
from testbeam.model.agreed import CLOCK_FILE
from testbeam.stacks import kafka_clients
from testbeam.stacks.probes.idle_status import IdleStatus

if TYPE_CHECKING:
    from testbeam.clients.file_writer import FileWriterClient, Job

__all__ = ["FileWriterHandle", "filewriter"]

_PROGRAM = ("${python}", "-m", "testbeam.services.filewriter")
_INI = "config-files/${name}.ini"
_COMMAND = "config-files/${name}-command.json"
_READY_FILE = "${dir}/ready"
_GROUP = "--job-pool-group"


class FileWriterHandle(Handle):
    """A running file-writer: its jobs and its files."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._client: FileWriterClient | None = None
        self._of_others: tuple[Job, ...] = ()

    @property
    def client(self) -> "FileWriterClient":
        """Return the client of the writer's pool; with several writers in it, any of them may take a job."""
        if self._client is None:
            from testbeam.clients.file_writer import FileWriterClient  # late: the client library is 70 ms of a start that may not need it

            topics = {word: self.options[word] for word in ("pool_topic", "status_topic", "control_topic")}
            self._client = FileWriterClient(kafka=kafka_clients.kafka_of(self, self.options["brokers"]), **topics)
        return self._client

    @property
    def output(self) -> Path:
        """Return the folder below which its files go."""
        return Path(self.fill(self.options["output"]))

    def start_job(self, nexus_structure: str, filename: str, **more: Any) -> "Job":
        """Send a start command; see `FileWriterClient.start` for what else there is to say."""
        return self.client.start(nexus_structure, filename, **more)

    def begin_test(self) -> None:
        """Note which jobs are not the test's own, such as those of a wider fixture."""
        self._of_others = self._client.jobs if self._client is not None else ()

    def end_test(self) -> None:
        """Stop the jobs that the test has left open: the next one would find no idle writer."""
        if self._client is not None and self.is_running():
            self._client.stop_open_jobs(but=self._of_others)

    def close(self) -> None:
        """Leave the broker; called at the end of the run."""
        if self._client is not None:
            self._client.close()
            self._client = None


def filewriter(
    *,
    name: str = "filewriter",
    broker: str = "broker",
    broker_endpoint: str = "kafka",
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

    broker_endpoint: "proxied" to reach a faultable broker by a link that can be broken; its own client goes there directly.
    control_topic: where its client's jobs are answered. time_after_stop_s: how long after a stop late data are waited for.
    ini: further options by their long names. startup_command: jobs to do at its start, as JSON. command: the
    facility's own build, up to its options; it gets the same ini file. Writers of ours are a consumer group of their pool: in the one
    group that all pools of the field share, one that hangs or is killed holds up the writers of every pool for six seconds. Beside a build
    of the facility's in one pool give `ini` that group: kafka-to-nexus-worker-pool.
    """
    options = {
        "pool_topic": pool_topic,
        "status_topic": status_topic,
        "control_topic": control_topic,
        "topics": (pool_topic, status_topic, control_topic),
        "brokers": f"${{{broker}.kafka}}",
        "output": str(output),
    }
    settings = {
        "brokers": f"${{{broker}.{broker_endpoint}}}",
        "command-status-topic": status_topic,
        "job-pool-topic": pool_topic,
        "hdf-output-prefix": options["output"],
        "time-after-stop": f"{round(time_after_stop_s * 1000)}ms",
        "status-master-interval": f"{round(status_interval_s * 1000)}ms",
        "data-flush-interval": f"{round(flush_interval_s * 1000)}ms",
    }
    own = () if command else ("--ready-file", _READY_FILE, _GROUP, "")
    service = Service(
        name,
        role="filewriter",
        command=(*(command or _PROGRAM), "-c", f"${{run_dir}}/{_INI}", *own),
        needs=(broker,),
        env=kafka_clients.environment(broker) | ({} if command else {CLOCK_FILE: "${dir}/clock"}),
        ready=IdleStatus("" if command else _READY_FILE),
        handle=FileWriterHandle,
        options=options | {"settings": settings},
        configure=_configured,
    )
    further = {"ini": ini, "startup_command": startup_command}
    return _configured(service, {word: value for word, value in further.items() if value is not None})


def _configured(service: Service, changes: Mapping[str, Any]) -> Service:
    """Return the service with more settings (`ini`) or a start-up command; both are files of the run."""
    unknown = set(changes) - {"ini", "startup_command"}
    if unknown:
        raise StackError(
            f"service {service.name!r} can't be configured by {', '.join(sorted(unknown))}; a file-writer takes ini, startup_command"
        )
    settings = dict(service.options["settings"]) | dict(changes.get("ini", {}))
    files = dict(service.files)
    if "startup_command" in changes:
        files[_COMMAND] = json.dumps(changes["startup_command"]).replace("$", "$$")
        settings["start-command"] = f"${{run_dir}}/{_COMMAND}"
    # No section: kafka-to-nexus would take one for the name of a subcommand, and read none of its keys.
    files[_INI] = "".join(f"{key}={value}\n" for key, value in settings.items())
    words = service.command
    if _GROUP in words:
        at = words.index(_GROUP) + 1
        words = (*words[:at], settings.get("job-pool-group", f"{settings['job-pool-topic']}_writers"), *words[at + 1 :])
    return replace(service, command=words, files=files, options={**service.options, "settings": settings})
