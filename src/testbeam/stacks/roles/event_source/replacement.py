"""Another source of events in place of ours."""

from dataclasses import replace
from pathlib import Path

from testbeam.kit.spec import Probe, Service
from testbeam.stacks.probes.topic_grows import TopicGrows
from testbeam.stacks.replacements import on_kafka, paths


def local_build(service: Service, path: Path) -> Service:
    """Return the event source run by the program at `path`, with nothing said to it.

    Raises:
        StackError: there is no such program.
    """
    return command(service, (str(paths.program(path, (), "the path of a program, or a whole command line by --command")),))


def command(service: Service, words: tuple[str, ...]) -> Service:
    """Return the event source run by this whole command line; ready when the detector's topic grows."""
    return replace(service, command=words, ready=_ready(service), external=False)


def external(service: Service, where: str) -> Service:
    """Return the event source as one that sends to the Kafka at HOST:PORT already; ready when the detector's topic grows."""
    return replace(on_kafka.external(service, where), ready=_ready(service))


def _ready(service: Service) -> Probe:
    return TopicGrows(topic=service.options["detector_topic"], brokers=service.options["brokers"])
