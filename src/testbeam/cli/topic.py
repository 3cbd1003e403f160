"""`testbeam topic ls|tail|decode`: what is on Kafka, readable, whatever its schema."""

import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from testbeam.cli.apps import new_app
from testbeam.cli.bootstrap import BootstrapOption, ConfigOption, PropertyOption, kafka_of
from testbeam.console.output import stop_on_signals, write
from testbeam.console.signals import ended_by_ctrl_c
from testbeam.console.times import moment_ms
from testbeam.errors import SettingsError
from testbeam.model.time import NS_PER_MS
from testbeam.runtime import exit_codes

if TYPE_CHECKING:
    from testbeam.kafkatools.inspect.listing import TopicFacts
    from testbeam.wire.kafka.message import KafkaMessage

app = new_app(has_commands=True)
OPTIONS = {"partition": "--partition", "offset": "--offset"}  # parameter of the library → option


@app.callback()
def _topic() -> None:
    """Look at topics: list them, follow one, decode one message of any schema."""


@app.command("ls")
def ls(
    bootstrap: BootstrapOption = "",
    sample: Annotated[int, typer.Option(help="Newest messages of each partition to look at, for time and schemas; 0 for none.")] = 20,
    internal: Annotated[bool, typer.Option("--all", help="Show Kafka's own topics, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    properties: PropertyOption = None,
    config: ConfigOption = None,
) -> None:
    """List topics with partitions, messages, the newest message's time and the schemas seen."""
    kafka = kafka_of(bootstrap, properties, config)
    from testbeam.kafkatools.inspect.listing import list_topics
    from testbeam.wire.readable.tree import dumps

    with ended_by_ctrl_c():
        topics = list_topics(kafka, sample=sample, internal=internal)
    write([[dumps(_listed(facts)) for facts in topics] if as_json else _table(topics)])


@app.command()
def tail(
    topic: Annotated[str, typer.Argument(metavar="TOPIC")],
    bootstrap: BootstrapOption = "",
    count: Annotated[int | None, typer.Option("-n", min=0, help="Newest messages to show. Default: 10, or all with --since.")] = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with what comes, until Ctrl-C.")] = False,
    since: Annotated[str, typer.Option(metavar="TIME", help="From then on: 5m (ago), 2026-11-21T08:00, beginning.")] = "",
    partition: Annotated[int | None, typer.Option(min=0, help="Only this partition.")] = None,
    key: Annotated[str | None, typer.Option(help="Only messages with this key, written as shown.")] = None,
    source: Annotated[str | None, typer.Option(help="Only messages of this source name.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    full: Annotated[bool, typer.Option("--full", help="With --json: whole arrays and texts.")] = False,
    properties: PropertyOption = None,
    config: ConfigOption = None,
) -> None:
    """Show the newest messages of a topic, one readable line each: time, partition@offset, key, schema, source, value."""
    kafka = kafka_of(bootstrap, properties, config)
    since_ms = moment_ms("--since", since, time.time_ns() // NS_PER_MS) if since else None
    from testbeam.kafkatools.inspect import tail as looking
    from testbeam.kafkatools.inspect.message import Wanted

    wanted = Wanted(partition=partition, key=key, source=source)
    most = count if count is not None or since_ms is not None else 10
    with stop_on_signals() as stop:
        bursts = looking.tail(kafka, topic, count=most, since_ms=since_ms, wanted=wanted, follow=follow, stop=stop)
        shown = write(_shown(bursts, as_json, full))
        if not shown and most != 0 and not stop.is_set():
            print(looking.why_nothing(kafka, topic, wanted), file=sys.stderr)


@app.command()
def decode(
    what: Annotated[str, typer.Argument(metavar="TOPIC|FILE|-", help="A topic with --offset, or a file with one payload, or stdin.")],
    offset: Annotated[str, typer.Option(metavar="P@O", help="Partition and offset; 0@-1 is the newest of partition 0.")] = "",
    full: Annotated[bool, typer.Option("--full", help="Whole arrays and texts.")] = False,
    bootstrap: BootstrapOption = "",
    properties: PropertyOption = None,
    config: ConfigOption = None,
) -> None:
    """Show all that one message says, as JSON; long arrays are shortened unless --full. Exit code 3 for junk."""
    from testbeam.wire.readable.message import payload_tree, tree
    from testbeam.wire.readable.tree import dumps_lines

    if offset:
        partition, at = _place(offset)
        kafka = kafka_of(bootstrap, properties, config)
        from testbeam.kafkatools.inspect.one import message_at

        with ended_by_ctrl_c():
            shown = tree(message_at(kafka, what, partition, at), full=full)
    else:
        shown = payload_tree(_payload(what), full=full)
    write([[dumps_lines(shown)]])
    raise typer.Exit(exit_codes.FAILED if "problem" in shown else exit_codes.OK)


def _table(topics: "list[TopicFacts]") -> Iterable[str]:
    """Return the topics as lines of even columns."""
    from testbeam.wire.readable.texts import time_ms

    rows = [("TOPIC", "PARTITIONS", "MESSAGES", "NEWEST", "SCHEMAS")]
    for facts in topics:
        newest = "-" if facts.newest_ms is None else time_ms(facts.newest_ms)
        rows.append((facts.name, str(facts.partitions), str(facts.messages), newest, " ".join(facts.schemas) or "-"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    left = (True, False, False, True, True)
    for row in rows:
        cells = (f"{cell:{'<' if to_left else '>'}{width}}" for cell, width, to_left in zip(row, widths, left, strict=True))
        yield "  ".join(cells).rstrip()


def _listed(facts: "TopicFacts") -> dict[str, Any]:
    from testbeam.wire.readable.texts import time_ms

    newest = None if facts.newest_ms is None else time_ms(facts.newest_ms)
    counts = {"partitions": facts.partitions, "messages": facts.messages}
    return {"topic": facts.name, **counts, "newest": newest, "newest_ms": facts.newest_ms, "schemas": list(facts.schemas)}


def _shown(bursts: "Iterable[list[KafkaMessage]]", as_json: bool, full: bool) -> Iterator[list[str]]:
    from testbeam.wire.readable.message import line, tree
    from testbeam.wire.readable.tree import dumps

    for burst in bursts:
        if as_json:
            yield [dumps(tree(message, full=full)) for message in burst]
        else:
            yield [line(message) for message in burst]


def _place(text: str) -> tuple[int, int]:
    partition, at, offset = text.partition("@")
    if not at or not partition.isdecimal() or not offset.removeprefix("-").isdecimal():
        raise SettingsError("--offset", text, "PARTITION@OFFSET, such as 0@1234, or 0@-1 for the newest")
    return int(partition), int(offset)


def _payload(what: str) -> bytes:
    if what == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(what).read_bytes()
    except OSError as error:
        way = "a file that can be read, - for stdin, or a topic with --offset P@O"
        raise SettingsError("TOPIC|FILE", what, f"{way} ({error.strerror})") from None
