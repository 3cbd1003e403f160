"""Another Kafka in place of ours."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from testbeam.errors import StackError
from testbeam.kit.spec import Service
from testbeam.stacks.replacements import paths
from testbeam.stacks.replacements.any_role import command as command
from testbeam.stacks.roles.broker import declaration as role

_REPLACED = ("--kafka-home", "--java-home")


def local_build(service: Service, path: Path) -> Service:
    """Return the broker run from the Kafka that is unpacked or built in `path`, configured as ours is.

    Raises:
        StackError: there is no Kafka in it, or the service is not ours to configure.
        SettingsError: there is no Java to run it.
    """
    libs = paths.existing(path, "the folder of an unpacked Kafka") / "libs"
    if not any(libs.glob("kafka[-_]*.jar")):
        raise StackError(f"there are no Kafka jars in {libs}; give the folder of an unpacked Kafka, or build it: ./gradlew releaseTarGz")
    if service.command[: len(role.PROGRAM)] != role.PROGRAM:
        raise StackError(
            f"service {service.name!r} is not started by testbeam's own broker program; leave that to the stack, or give a command"
        )
    fresh = role.broker(name=service.name, kafka_home=path)
    own = tuple(_without(service.command[len(role.PROGRAM) :], _REPLACED))
    of_home = tuple(_only(fresh.command[len(role.PROGRAM) :], _REPLACED))
    return replace(service, command=(*role.PROGRAM, *own, *of_home), prepare=fresh.prepare)


def external(service: Service, where: str) -> Service:
    """Return the broker as one that runs at HOST:PORT[,HOST:PORT…] already; topics are created there as they are in ours.

    Raises:
        StackError: it is not of that form.
    """
    for one in where.split(","):
        paths.host_and_port(one.strip())
    return role.broker(name=service.name, bootstrap=where, topics=service.options.get("topics", ()))


def _without(options: tuple[str, ...], names: tuple[str, ...]) -> Iterator[str]:
    return (word for pair in zip(options[::2], options[1::2], strict=True) if pair[0] not in names for word in pair)


def _only(options: tuple[str, ...], names: tuple[str, ...]) -> Iterator[str]:
    return (word for pair in zip(options[::2], options[1::2], strict=True) if pair[0] in names for word in pair)
