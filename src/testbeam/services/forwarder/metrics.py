"""Metrics of a forwarder: how much it sends, drops and waits for, and what each stream sent."""

from collections.abc import Iterable

from testbeam.model.samples import ConnectionState
from testbeam.runtime.metrics import Metric, Sample
from testbeam.services.forwarder.core import Core


def collect(core: Core, waiting: int) -> Iterable[Metric]:
    """Return the metrics of now; `waiting` counts messages that Kafka has not acknowledged."""
    streams = tuple(core.streams.by_number.values())
    connected = sum(stream.connection is ConnectionState.CONNECTED for stream in streams)
    dropped = tuple(Sample(value=count, labels={"reason": reason}) for reason, count in dict(core.drops.counts).items())
    return (
        Metric(name="streams", help="streams that are forwarded", samples=(Sample(value=len(streams)),)),
        Metric(name="connected", help="streams whose PV is connected", samples=(Sample(value=connected),)),
        Metric(name="waiting", help="messages that Kafka has not acknowledged", samples=(Sample(value=waiting),)),
        Metric(name="updates", help="updates made into messages", samples=(Sample(value=core.updates),), only_grows=True),
        Metric(name="dropped", help="what was dropped", samples=dropped, only_grows=True),
        Metric(
            name="stream_updates",
            help="updates made into messages, by stream",
            samples=tuple(
                Sample(
                    value=core.updates_of(stream.number),
                    labels={
                        "channel": stream.spec.channel,
                        "protocol": stream.spec.protocol.name,
                        "topic": stream.spec.topic,
                        "schema": stream.spec.schema,
                    },
                )
                for stream in streams
            ),
            only_grows=True,
        ),
    )
