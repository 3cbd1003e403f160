"""The environment variables by which programs outside of a stack find it: Kafka, EPICS, output folder, endpoints, pids."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from testbeam.kit import template
from testbeam.transport.epics_environment import CA_PORT, PVA_BROADCAST_PORT, repeater_port

STACK = "TESTBEAM_STACK"  # names the stack that a command is about, where its command line does not
_NO_LETTER = re.compile(r"[^A-Za-z0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class StackFacts:
    """A running stack as its variables tell of it; endpoints by service and name, pids by service, output: the file-writer's folder."""

    id: str
    folder: str
    endpoints: Mapping[str, Mapping[str, str]]
    pids: Mapping[str, int] = field(default_factory=dict)
    output: str = ""
    env_names: Mapping[str, str] = field(default_factory=dict)


def client_variables(facts: StackFacts) -> dict[str, str]:
    """Return every variable, in the order in which a person would read them.

    Raises:
        StackError: a template of `env_names` asks for what the stack does not have.
    """
    found = {STACK: facts.id, "TESTBEAM_FOLDER": facts.folder}
    if facts.output:
        found["TESTBEAM_OUTPUT"] = facts.output
    brokers = [one["kafka"] for one in facts.endpoints.values() if "kafka" in one]
    if brokers:
        found["KAFKA_BOOTSTRAP_SERVERS"] = brokers[0]
    found |= epics_variables(facts.endpoints.values())
    found |= {_variable("ENDPOINT", service, name): where for service, name, where in _each(facts.endpoints)}
    found |= {_variable("PID", service): str(pid) for service, pid in facts.pids.items()}
    values = {name: value for name, value in _template_values(facts).items() if value}
    return found | {name: template.fill(text, values, f"env_names.{name}") for name, text in facts.env_names.items()}


def template_names(endpoints: Mapping[str, Mapping[str, str]]) -> tuple[str, ...]:
    """Return what a template of `env_names` may ask for: `service.endpoint`, `run_dir`, `output`."""
    return (*(f"{service}.{name}" for service, name, _ in _each(endpoints)), "run_dir", "output")


def _template_values(facts: StackFacts) -> dict[str, str]:
    own = {f"{service}.{name}": where for service, name, where in _each(facts.endpoints)}
    return own | {"run_dir": facts.folder, "output": facts.output}


def _each(endpoints: Mapping[str, Mapping[str, str]]) -> Iterable[tuple[str, str, str]]:
    return ((service, name, where) for service, of_service in endpoints.items() for name, where in of_service.items())


def epics_variables(endpoints: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return what a client of EPICS needs to reach the IOCs and nobody else; nothing where there is none.

    Source: docs/reference/contracts/ioc.md, "Isolation".
    """
    of_iocs = [one for one in endpoints if "ca" in one or "pva" in one]
    if not of_iocs:
        return {}
    ca = [one["ca"].removesuffix(f":{CA_PORT}") for one in of_iocs if "ca" in one]
    return {
        "EPICS_CA_ADDR_LIST": " ".join(ca),
        "EPICS_CA_AUTO_ADDR_LIST": "NO",
        "EPICS_CA_REPEATER_PORT": str(repeater_port(ca)),
        "EPICS_CA_MAX_ARRAY_BYTES": "10000000",
        "EPICS_PVA_NAME_SERVERS": " ".join(one["pva"] for one in of_iocs if "pva" in one and "pva_search_only" not in one),
        "EPICS_PVA_ADDR_LIST": " ".join(one["pva_search"].removesuffix(f":{PVA_BROADCAST_PORT}") for one in of_iocs if "pva_search" in one),
        "EPICS_PVA_AUTO_ADDR_LIST": "NO",
    }


def _variable(*words: Any) -> str:
    return "_".join(["TESTBEAM", *(_NO_LETTER.sub("_", str(word)).upper() for word in words)])
