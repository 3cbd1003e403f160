"""Facts of a running stack that take a few milliseconds to ask: state and pid of each service, and the file-writer's folder."""

from dataclasses import dataclass
from typing import Any

from testbeam.hosting.channel import Channel
from testbeam.hosting.registry import Entry

_ANSWER_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceFacts:
    """One service of a running stack; pid None where no process of it runs, output "" where it writes no files."""

    name: str
    role: str
    state: str
    pid: int | None
    folder: str
    output: str = ""


def ask_services(entry: Entry, within_s: float = _ANSWER_S) -> tuple[ServiceFacts, ...]:
    """Return the services of a stack, in their order.

    Raises:
        StackError: who holds it does not answer.
    """
    with Channel(entry.socket, within_s) as channel:
        described: list[dict[str, Any]] = channel.ask("describe")["services"]
        return tuple(_facts(channel, one) for one in described)


def _facts(channel: Channel, described: dict[str, Any]) -> ServiceFacts:
    name = str(described["name"])
    seen = channel.ask("look", service=name)
    declaration = described.get("declaration", {})
    output = declaration.get("options", {}).get("output", "") if declaration.get("role") == "filewriter" else ""
    return ServiceFacts(
        name=name,
        role=str(declaration.get("role", "")),
        state=str(seen["state"]),
        pid=seen["pid"],
        folder=str(described["folder"]),
        output=str(channel.ask("fill", service=name, text=output)) if output else "",
    )
