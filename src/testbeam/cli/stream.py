"""`testbeam stream FILE.nxs`: the events and logs of a NeXus file onto Kafka."""

from pathlib import Path
from typing import Annotated

import typer

from testbeam.cli.apps import new_app
from testbeam.cli.bootstrap import BootstrapOption, ConfigOption, PropertyOption, check_there, kafka_of
from testbeam.console.output import stop_on_signals
from testbeam.errors import SettingsError

app = new_app()


@app.command()
def stream(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A NeXus file with NXevent_data or NXlog groups.")],
    bootstrap: BootstrapOption = "",
    speed: Annotated[str, typer.Option(metavar="X", help="1: as it came; 2: twice as fast; max: as fast as can be.")] = "max",
    now: Annotated[bool, typer.Option("--now", help="Shift all times so that the first is now.")] = False,
    event_topic: Annotated[str, typer.Option(metavar="TOPIC", help="For events whose group names no topic.")] = "",
    log_topic: Annotated[str, typer.Option(metavar="TOPIC", help="For logs whose group names no topic.")] = "",
    create: Annotated[bool, typer.Option("--create", help="Create missing topics.")] = False,
    properties: PropertyOption = None,
    config: ConfigOption = None,
) -> None:
    """Send the events, logs, alarms and connection states of a NeXus file to Kafka, in the order of their times."""
    factor = _speed(speed)
    check_there(file)
    kafka = kafka_of(bootstrap, properties, config)
    from testbeam.kafkatools.nexus_stream import NexusStreamer

    with stop_on_signals() as stop:
        how = NexusStreamer(event_topic=event_topic, log_topic=log_topic, speed=factor, now=now, create=create, stop=stop.is_set)
        print(f"{how.send(kafka, file)} messages sent to {kafka.bootstrap}")


def _speed(text: str) -> float:
    """Return the factor of a speed; 0 for "max"."""
    if text == "max":
        return 0.0
    try:
        factor = float(text)
    except ValueError:
        factor = -1.0
    if not 0 < factor < 1e6:
        raise SettingsError("--speed", text, "a positive number, or max")
    return factor
