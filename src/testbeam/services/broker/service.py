"""The broker program in full: options from everywhere, everything prepared, then it becomes the broker."""

import signal
import threading

from testbeam.kafka_distribution.launch import become_broker
from testbeam.kafka_distribution.prepare import prepare
from testbeam.kafka_distribution.telling import ConsoleTeller
from testbeam.runtime import program
from testbeam.services.broker.settings import BrokerSettings


def main(argv: list[str] | None = None) -> int:
    """Run the program; return its exit code where it could not become the broker."""
    return program.run("broker", BrokerSettings, run, argv)


def run(settings: BrokerSettings, _stop: threading.Event) -> None:
    """Run Apache Kafka, one node, for as long as the process lives; fetch it first where that has not been done."""
    # A fetch must end at once when told so: nothing is half done that a later one would not find.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    options = settings.launch_options()
    prepared = prepare(options, ConsoleTeller())
    if settings.only_prepare:
        return
    become_broker(options, prepared.installation, prepared.aot)
