"""`testbeam audit FILE`: proves from Kafka alone that a NeXus file holds every message of its job."""

from pathlib import Path
from typing import Annotated

import typer

from testbeam.cli.apps import new_app
from testbeam.cli.bootstrap import BootstrapOption, ConfigOption, PropertyOption, kafka_of
from testbeam.console.json_file import answering
from testbeam.errors import SettingsError

app = new_app()


@app.command()
def audit(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="finished NeXus file")],
    bootstrap: BootstrapOption = "",
    kafka_property: PropertyOption = None,
    kafka_config: ConfigOption = None,
    job_id: Annotated[str, typer.Option(help="id of the job; default: the newest job that writes a file of this name")] = "",
    command_topic: Annotated[
        list[str] | None, typer.Option(help="topic with the start command, may be repeated (default: tb_filewriter_pool)")
    ] = None,
    time_before_start: Annotated[float, typer.Option(help="the file-writer's option of that name, in seconds")] = 10.0,
    time_after_stop: Annotated[float, typer.Option(help="the file-writer's option of that name, in seconds")] = 10.0,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the result to this file, for programs")] = None,
) -> None:
    """Find every message of the job's window in the file, value by value, or say why it is rightly not there."""
    from testbeam.audit.run import Leeway, find_job
    from testbeam.audit.run import audit as audit_file
    from testbeam.audit.summary import report
    from testbeam.runtime import exit_codes

    with answering(json_file) as answer:
        answer.check()
        if not file.is_file():
            raise SettingsError("FILE", str(file), "a finished NeXus file that is there")
        kafka = kafka_of(bootstrap, kafka_property, kafka_config)
        job = find_job(kafka, command_topic or ["tb_filewriter_pool"], job_id=job_id, file=file.resolve())
        result = audit_file(kafka, job, file, Leeway(before_s=time_before_start, after_s=time_after_stop))
        print(report(result))
        answer.write(result.as_json())
    raise typer.Exit(exit_codes.OK if result.ok else exit_codes.FAILED)
