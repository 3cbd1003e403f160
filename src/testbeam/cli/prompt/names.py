"""Names of a prompt: the very ones that tests use, so that what is tried there can be saved as a test."""

import re
from typing import TYPE_CHECKING, Any

from testbeam.clients import waiting
from testbeam.nexus import compose
from testbeam.pytest_plugin.fixtures import own_prefix, pvs_of, topics_of

if TYPE_CHECKING:
    from testbeam.kit.protocols import Declared, RunLike

FIXTURES = ("run", "stack", "topic", "name", "pv")
IMPORTED = {
    **dict.fromkeys(("wait_for_condition", "retry", "collect_updates", "subtest"), waiting.__name__),
    **dict.fromkeys(("group", "dataset", "link", "stream", "log", "nexus_structure"), compose.__name__),
}
FAULTS = "faults"


def namespace(run: "RunLike", stack: "Declared") -> dict[str, Any]:
    """Return every name of a prompt with its value; services by their names, with `_` for what a name can't have."""
    prefix = own_prefix("shell")

    def name(word: str) -> str:
        return f"{prefix}.{word}"

    given = {"run": run, "stack": stack, "name": name, "topic": topics_of(run, name), "pv": pvs_of(run)}
    modules = {module.__name__: module for module in (waiting, compose)}
    imported = {word: getattr(modules[module], word) for word, module in IMPORTED.items()}
    services = {word: run[service] for word, service in service_names(list(run)).items() if word not in {*given, *imported}}
    return {**imported, FAULTS: run.faults, **services, **given}


def service_names(services: list[str]) -> dict[str, str]:
    """Return by which name each service goes at the prompt."""
    return {re.sub(r"\W", "_", service): service for service in services}
