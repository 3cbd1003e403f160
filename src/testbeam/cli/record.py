"""`testbeam record TOPIC… -o FILE`: messages of Kafka into a file, byte for byte."""

import time
from pathlib import Path
from typing import Annotated

import typer

from testbeam.cli.apps import new_app
from testbeam.cli.bootstrap import BootstrapOption, ConfigOption, PropertyOption, kafka_of
from testbeam.console.output import StatusLine, stop_on_signals
from testbeam.console.times import moment_ms, seconds
from testbeam.model.time import NS_PER_MS

app = new_app()
OPTIONS = {
    "from_ms": "--from",
    "to_ms": "--to",
    "for_s": "--for",
    "idle_s": "--until-idle",
    "messages": "-n",
    "path": "--output",
    "overwrite=True": "--force",
}  # parameter of the library → option


@app.command()
def record(
    topics: Annotated[list[str], typer.Argument(metavar="TOPIC")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="A new file.")],
    bootstrap: BootstrapOption = "",
    since: Annotated[str, typer.Option("--from", metavar="TIME", help="From then on: 5m (ago), 2026-11-21T08:00, beginning.")] = "",
    to: Annotated[str, typer.Option("--to", metavar="TIME", help="Until then; may lie ahead.")] = "",
    for_: Annotated[str, typer.Option("--for", metavar="SPAN", help="For so long: 10s, 5m.")] = "",
    until_idle: Annotated[str, typer.Option(metavar="SPAN", help="Until nothing has come for so long.")] = "",
    count: Annotated[int | None, typer.Option("-n", help="So many messages.")] = None,
    compress: Annotated[bool, typer.Option("--compress", help="Deflate (zlib): smaller, and more CPU.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    properties: PropertyOption = None,
    config: ConfigOption = None,
) -> None:
    """Record topics: raw bytes, keys, headers and times, to be sent again with `testbeam replay`.

    Without --from it records what comes from now on; with --from and no end, what is there now. What ends it first counts; Ctrl-C
    ends it in order. A recorder that is killed leaves a file that can be read. --from and --to are in Kafka's timestamps.
    """
    from testbeam.kafkatools.recording_span import Span

    now_ms = time.time_ns() // NS_PER_MS
    span = Span(
        from_ms=moment_ms("--from", since, now_ms) if since else None,
        to_ms=moment_ms("--to", to, now_ms) if to else None,
        for_s=seconds("--for", for_) if for_ else None,
        idle_s=seconds("--until-idle", until_idle) if until_idle else None,
        messages=count,
    )
    kafka = kafka_of(bootstrap, properties, config)
    from testbeam.kafkatools import recording
    from testbeam.wire.readable.texts import size

    status = StatusLine()
    with stop_on_signals() as stop:
        done = recording.record(
            kafka,
            topics,
            output,
            span=span,
            compress=compress,
            overwrite=force,
            stop=stop,
            on_progress=lambda messages, bytes_: status(f"{messages} messages, {size(bytes_)}; Ctrl-C ends"),
        )
    status.clear()
    for topic, messages in done.messages.items():
        print(f"{topic}  {messages} messages")
    rate = done.total / done.seconds if done.seconds else 0.0
    print(f"{done.path}  {done.total} messages, {size(done.file_bytes)}, {done.seconds:.1f} s, {rate:.0f} messages/s; {done.reason}")
