"""`testbeam replay FILE`: a recording back onto Kafka, byte for byte."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from testbeam.cli.apps import new_app
from testbeam.cli.bootstrap import BootstrapOption, ConfigOption, PropertyOption, check_there, kafka_of
from testbeam.cli.option_words import in_options
from testbeam.console.output import StatusLine, stop_on_signals, write
from testbeam.errors import SettingsError
from testbeam.runtime import exit_codes

if TYPE_CHECKING:
    from testbeam.kafkatools.recording_file import Summary
    from testbeam.kafkatools.replay_names import Names
    from testbeam.kafkatools.replaying import Replayed
    from testbeam.wire.kafka.message import KafkaMessage

app = new_app()
OPTIONS = {
    "speed": "--speed",
    "renames": "--map",
    "only": "--topic",
    "prefix": "--topic-prefix",
    "same_topics=True": "--same-topics",
    "create=True": "--create",
    "keep_times=False": "--now",
    "skip_damaged=True": "--skip-damaged",
}  # parameter of the library → option


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `testbeam record` has written.")],
    bootstrap: BootstrapOption = "",
    topic_prefix: Annotated[str, typer.Option(metavar="P", help="Send topic T to PT.")] = "",
    renames: Annotated[list[str] | None, typer.Option("--map", metavar="OLD=NEW", help="Send topic OLD to NEW.")] = None,
    only: Annotated[list[str] | None, typer.Option("--topic", metavar="TOPIC", help="Send only this topic.")] = None,
    speed: Annotated[str, typer.Option(metavar="X", help="1: as it came; 2: twice as fast; max: as fast as can be.")] = "1",
    keep_times: Annotated[
        bool, typer.Option("--keep-times/--now", help="Kafka timestamps as recorded, or of now; payloads stay as they are.")
    ] = True,
    create: Annotated[bool, typer.Option("--create", help="Create missing topics, with as many partitions.")] = False,
    same_topics: Annotated[
        bool, typer.Option("--same-topics", help="Send into the topics it was recorded from: doubles their messages.")
    ] = False,
    skip_damaged: Annotated[bool, typer.Option("--skip-damaged", help="Replay what is whole of a damaged file.")] = False,
    list_: Annotated[bool, typer.Option("--list", help="Say what is in the file and where it would go, and send nothing.")] = False,
    show: Annotated[bool, typer.Option(help="Show every message that would be sent, one line each, and send nothing.")] = False,
    properties: PropertyOption = None,
    config: ConfigOption = None,
) -> None:
    """Send a recording to Kafka; the order within each partition is kept. Exit code 3 where a message was not taken."""
    from testbeam.kafkatools.replay_names import Names

    factor = _speed(speed)
    names = Names(prefix=topic_prefix, renames=dict(_pair(entry) for entry in renames or ()), only=tuple(only or ()))
    if show or list_:
        _look(file, names, show=show, list_=list_)
        return
    check_there(file)
    kafka = kafka_of(bootstrap, properties, config)
    from testbeam.kafkatools import replaying

    status = StatusLine()
    with stop_on_signals() as stop:
        done = replaying.replay(
            kafka,
            file,
            names=names,
            speed=factor,
            keep_times=keep_times,
            create=create,
            same_topics=same_topics,
            skip_damaged=skip_damaged,
            stop=stop,
            on_progress=lambda sent, total: status(f"{sent} of {total} messages; Ctrl-C ends"),
        )
    status.clear()
    write([_told(done, file)])
    raise typer.Exit(exit_codes.FAILED if done.failed else exit_codes.OK)


def _told(done: "Replayed", file: Path) -> list[str]:
    from testbeam.wire.readable.texts import size

    lines = [f"{topic}  {messages} messages" for topic, messages in done.messages.items()]
    rate = done.total / done.seconds if done.seconds else 0.0
    how = ", stopped before its end" if done.stopped else ""
    behind = f", up to {done.behind_ms} ms late" if done.behind_ms >= 100 else ""
    lines.append(f"{file}  {done.total} messages, {size(done.value_bytes)}, {done.seconds:.1f} s, {rate:.0f} messages/s{behind}{how}")
    lines += [f"NOT TAKEN  {count} × {reason}" for reason, count in done.failed.items()]
    lines += [f"NOTE  {in_options(note, OPTIONS)}" for note in done.notes]
    return lines


def _look(file: Path, names: "Names", *, show: bool, list_: bool) -> None:
    """Show messages, the list, or first the one and then the other."""
    from testbeam.kafkatools.recording_file import summary

    if show:
        # Where nothing is chosen, the first message is shown before all of a large file was read.
        _show(file, names.targets(summary(file).topics) if names.chooses else None)
    if list_:
        told = summary(file)
        write([_listed(told, names.targets(told.topics))])


def _listed(told: "Summary", targets: Mapping[str, str]) -> list[str]:
    from testbeam.wire.readable.texts import printable, size, time_ms

    lines = [f"{_there(topic, target)}  {told.topics[topic]} partitions, {told.count(topic)} messages" for topic, target in targets.items()]
    span = f", {time_ms(told.first_ms)} to {time_ms(told.last_ms)}" if told.first_ms is not None and told.last_ms is not None else ""
    lines.append(f"{told.path}  {told.messages.total()} messages, {size(told.value_bytes)}{span}")
    if told.about is not None:
        lines.append(printable(f"recorded {time_ms(told.about.started_ms)} from {told.about.bootstrap} by {told.about.software}"))
    return [*lines, *(f"DAMAGED  {damage}" for damage in told.harm), printable(told.how_it_ends())]


def _there(topic: str, target: str) -> str:
    from testbeam.wire.readable.texts import printable

    return printable(topic if topic == target else f"{topic} → {target}")


def _show(file: Path, targets: Mapping[str, str] | None) -> None:
    """Show the messages of these topics under the names given; None: all, under their own."""
    from testbeam.kafkatools.recording_file import parts
    from testbeam.wire.readable.message import line
    from testbeam.wire.recording.blocks import Damage
    from testbeam.wire.recording.messages import MessageBatch

    def bursts() -> Iterator[list[str]]:
        for part in parts(file):
            if isinstance(part.content, MessageBatch):
                yield [line(message, topic=True) for message in _renamed(part.content.messages(), targets)]
            elif isinstance(part.content, Damage):
                yield [f"DAMAGED  {part.content}"]

    write(bursts())


def _renamed(messages: "Iterator[KafkaMessage]", targets: Mapping[str, str] | None) -> "Iterator[KafkaMessage]":
    if targets is None:
        return messages
    return (message._replace(topic=targets[message.topic]) for message in messages if message.topic in targets)


def _speed(text: str) -> float | None:
    try:
        return None if text == "max" else float(text)
    except ValueError:
        raise SettingsError("--speed", text, "a number such as 1 or 2.5, or max") from None


def _pair(entry: str) -> tuple[str, str]:
    old, equals, new = entry.partition("=")
    if not equals or not old or not new:
        raise SettingsError("--map", entry, "OLD=NEW, two names of topics")
    return old, new
