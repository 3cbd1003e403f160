"""Replacement of services that are reached by Kafka alone: file-writers and forwarders."""

from dataclasses import replace

from testbeam.kit.spec import Service
from testbeam.stacks.probes.idle_status import IdleStatus
from testbeam.stacks.replacements import paths

_INI = ("-c", "${config_dir}/${name}.ini")


def command(service: Service, words: tuple[str, ...]) -> Service:
    """Return the service run by this command line, with our ini file unless it names one; ready at its first status on Kafka.

    It is started when the broker is ready: theirs may give up without one.
    """
    return replace(service, command=(*words, *(() if _names_a_file(words) else _INI)), ready=IdleStatus(), external=False)


def external(service: Service, where: str) -> Service:
    """Return the service as one that works with the Kafka at `where` already; ready at its next status on it."""
    host, port = paths.host_and_port(where.partition(",")[0])
    return paths.elsewhere(service, {"kafka": where if "," in where else f"{host}:{port}"}, IdleStatus())


def _names_a_file(words: tuple[str, ...]) -> bool:
    return any(word in ("-c", "--config-file") or word.startswith("--config-file=") or "${config_dir}" in word for word in words)
