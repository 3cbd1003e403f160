"""The Kafka that a command means, and how to log in there."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from testbeam.errors import SettingsError, StackError, TestbeamError

if TYPE_CHECKING:
    from testbeam.hosting.registry import Entry
    from testbeam.transport.kafka.client import Kafka

BootstrapOption: TypeAlias = Annotated[
    str, typer.Option("--bootstrap", "-b", metavar="HOST:PORT", help="The broker. Default: that of the running stack.", show_default=False)
]
PropertyOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--kafka-property", "-X", metavar="KEY=VALUE", help="Client option by librdkafka's name; may be given more than once."),
]
ConfigOption: TypeAlias = Annotated[
    Path | None,
    typer.Option("--kafka-config", "-F", metavar="FILE", help="File of such options, one key=value a line: the place for passwords."),
]

_WAYS = "HOST:PORT of a broker, or start a stack first: no stack of yours with a broker is running"

_SERVERS = ("bootstrap.servers", "metadata.broker.list")  # two names of one option


def bootstrap_of(option: str) -> str:
    """Return the broker to talk to: the one that was given, else that of the running stack.

    Raises:
        SettingsError: it is not of the form HOST:PORT, or none was given and there is not exactly one running stack with a broker.
    """
    if not option:
        return _of_running_stack()
    for one in option.split(","):
        host, _, port = one.strip().rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
            raise SettingsError("--bootstrap", option, "HOST:PORT, such as localhost:9092; several are separated by commas")
    return option


def check_there(file: Path) -> None:
    """Raise SettingsError for a file that is not there, before a broker is looked for."""
    if not file.is_file():
        raise SettingsError("FILE", str(file), "a file that is there")


def _of_running_stack() -> str:
    from testbeam.cli.chosen_stack import by_surroundings
    from testbeam.hosting import registry  # late: only who leaves the option out looks for running stacks

    meant = None
    with suppress(StackError):  # several, or none of a name that is set: said below with the brokers they have
        meant = by_surroundings()
    up = (meant,) if meant is not None else registry.entries()
    up = tuple(entry for entry in up if not entry.session) or up  # one that stays is meant before one that ends with its tests
    found = {entry.id: endpoint["kafka"] for entry in up for endpoint in entry.endpoints.values() if "kafka" in endpoint}
    if not found:
        raise SettingsError("--bootstrap", None, _WAYS)
    if len(found) > 1:
        running = ", ".join(f"{stack} has {broker}" for stack, broker in found.items())
        raise SettingsError("--bootstrap", None, f"the broker that is meant: {len(found)} stacks of yours are running ({running})")
    (stack,) = (entry for entry in up if entry.id in found)
    _check_alive(stack)
    return found[stack.id]


def _check_alive(stack: "Entry") -> None:
    """Say at once that a broker has ended, where a client would ask it in vain for its whole time."""
    from testbeam.hosting.facts import ask_services

    try:
        services = ask_services(stack)
    except TestbeamError:  # who holds it does not answer: the broker may do so all the same
        return
    for one in services:
        if "kafka" in stack.endpoints.get(one.name, {}) and one.state in {"crashed", "failed"}:
            raise StackError(
                f"{one.name} of stack {stack.id} has {one.state}; start it again: testbeam restart {one.name} --stack {stack.id}"
            )


def kafka_of(bootstrap: str, properties: Sequence[str] | None, config: Path | None) -> "Kafka":
    """Return the cluster that the three options name; raise SettingsError for what can't be used."""
    from testbeam.transport.kafka.client import Kafka  # late: --help must not wait for the Kafka client

    options: dict[str, str] = {}
    for where, entry in (*_lines(config), *(("--kafka-property", entry) for entry in properties or ())):
        key, equals, value = entry.partition("=")
        if not equals or not key.strip():
            raise SettingsError(where, entry, "KEY=VALUE, such as security.protocol=SASL_SSL")
        options[key.strip()] = value.strip()
    named = [options.pop(name, "") for name in _SERVERS]  # taken out in any case: --bootstrap is where the command goes, and nowhere else
    return Kafka(bootstrap=bootstrap_of(bootstrap or next(filter(None, named), "")), options=options)


def _lines(config: Path | None) -> list[tuple[str, str]]:
    if config is None:
        return []
    try:
        lines = config.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError("--kafka-config", str(config), f"a text file that can be read ({error})") from None
    return [(f"{config}:{number}", line) for number, line in enumerate(lines, 1) if line.strip() and not line.lstrip().startswith("#")]
