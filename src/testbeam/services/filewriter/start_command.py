"""Start-up command file: jobs and their stops as JSON, in the newer words of pl72 or the older FileWriter_* ones.

Source: docs/reference/contracts/filewriter.md, "Seed-style start-up command".
"""

import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from testbeam.errors import SettingsError
from testbeam.model.runs import RunStart, RunStop


class Exit:
    """The word to end the program when the jobs before it are done."""


Command: TypeAlias = RunStart | RunStop | Exit
_EXPECTED = "a JSON object or list: a pl72 by its fields, FileWriter_new, FileWriter_stop or FileWriter_exit"


def read(path: Path, default_control_topic: str) -> tuple[Command, ...]:
    """Return the commands of a file, in order.

    Raises:
        SettingsError: the file can't be read, or holds something else.
    """
    try:
        content = json.loads(path.read_text())
        items = content if isinstance(content, list) else [content]
        return tuple(_command(item, default_control_topic) for item in items)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError("start-command", f"{path} ({error!r})", _EXPECTED) from error


def _command(item: Mapping[str, Any], control_topic: str) -> Command:
    match item.get("cmd"):
        case "FileWriter_exit":
            return Exit()
        case "FileWriter_stop":
            stop_ms = int(item.get("stop_time", 0))
            command_id = item.get("command_id") or str(uuid.uuid4())
            return RunStop(job_id=item["job_id"], command_id=command_id, stop_time_ms=stop_ms, service_id=item.get("service_id", ""))
        case None | "FileWriter_new":
            return _start(item, control_topic)
        case word:
            raise ValueError(f"unknown command {word!r}")


def _start(item: Mapping[str, Any], control_topic: str) -> RunStart:
    structure = item["nexus_structure"]
    older: Mapping[str, Any] = item.get("file_attributes", {})
    metadata = item.get("metadata", "")
    return RunStart(
        job_id=item.get("job_id") or str(uuid.uuid4()),
        filename=item.get("filename") or older["file_name"],
        nexus_structure=structure if isinstance(structure, str) else json.dumps(structure),
        control_topic=item.get("control_topic") or control_topic,
        start_time_ms=int(item.get("start_time", 0)),
        stop_time_ms=int(item.get("stop_time", 0)),
        run_name=item.get("run_name", ""),
        instrument_name=item.get("instrument_name", ""),
        service_id=item.get("service_id", ""),
        metadata=metadata if isinstance(metadata, str) else json.dumps(metadata),
    )
