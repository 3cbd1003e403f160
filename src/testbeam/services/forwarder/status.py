"""Status of the forwarder: its last problem, its rates, the JSON in its x5f2, and its metrics.

Source: docs/reference/contracts/forwarder.md, "Status": `streams` with four keys each; all else is ours.
"""

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from testbeam.model.forwarding import StreamSpec
from testbeam.model.samples import ConnectionState
from testbeam.runtime.metrics import Metric, Sample
from testbeam.services.forwarder.stream_table import Stream, StreamTable

MOST_NAMED = 100  # channels that are named as not connected; a status must stay far below the broker's largest message
_LONGEST = 300  # characters of a problem that is told


@dataclass(slots=True)
class Problems:
    """Remembers the last problem for the status, and logs it unless it is the same as before."""

    log: logging.Logger
    last: str = ""

    def note(self, text: str) -> None:
        """Take down a problem; the text names the thing, the place and, where there is one, the next step."""
        shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
        if shown != self.last:
            self.log.warning("%s", shown)
        self.last = shown


@dataclass(slots=True)
class Rate:
    """Events a second between two looks; monotonic seconds come from the caller."""

    _count: int = 0
    _at_s: float | None = None

    def look(self, count: int, now_s: float) -> float:
        """Return the rate since the last look, 0 at the first."""
        since_s, before = self._at_s, self._count
        self._at_s, self._count = now_s, count
        return 0.0 if since_s is None or now_s <= since_s else (count - before) / (now_s - since_s)


def status_json(
    streams: StreamTable,
    *,
    updates: int,
    updates_per_s: float,
    dropped: Mapping[str, int],
    waiting: int,
    unsent: int,
    last_error: str,
    channel_access: str = "",
) -> str:
    """Return the status; `waiting` counts messages that Kafka has not acknowledged, `unsent` those that are to be sent again."""
    all_streams = tuple(streams.by_number.values())
    missing = [stream.spec.channel for stream in all_streams if stream.connection is not ConnectionState.CONNECTED]
    rest = json.dumps(
        {
            "connected": len(all_streams) - len(missing),
            "not_connected": missing[:MOST_NAMED],
            "updates": updates,
            "updates_per_s": round(updates_per_s, 1),
            "waiting": waiting,
            "unsent": unsent,
            "dropped": dict(dropped),
            "last_error": last_error,
            "channel_access": channel_access,
        }
    )
    return f'{{"streams": {streams.listed(_as_json)}, {rest[1:]}'


def _as_json(streams: Iterable[Stream]) -> str:
    return json.dumps([_stream(stream) for stream in streams])


def _stream(stream: Stream) -> dict[str, str]:
    spec = stream.spec
    return {"channel_name": spec.channel, "protocol": spec.protocol.name, "output_topic": spec.topic, "schema": spec.schema}


def metrics(
    table: StreamTable, updates: int, updates_of: Callable[[int], int], dropped: Mapping[str, int], waiting: int
) -> tuple[Metric, ...]:
    """Return the metrics of now; `updates_of` counts those of a stream, `waiting` messages that Kafka has not acknowledged."""
    streams = tuple(table.by_number.values())
    connected = sum(stream.connection is ConnectionState.CONNECTED for stream in streams)
    reasons = tuple(Sample(value=count, labels={"reason": reason}) for reason, count in dict(dropped).items())
    return (
        Metric(name="streams", help="streams that are forwarded", samples=(Sample(value=len(streams)),)),
        Metric(name="connected", help="streams whose PV is connected", samples=(Sample(value=connected),)),
        Metric(name="waiting", help="messages that Kafka has not acknowledged", samples=(Sample(value=waiting),)),
        Metric(name="updates", help="updates made into messages", samples=(Sample(value=updates),), only_grows=True),
        Metric(name="dropped", help="what was dropped", samples=reasons, only_grows=True),
        Metric(
            name="stream_updates",
            help="updates made into messages, by stream",
            samples=tuple(Sample(value=updates_of(stream.number), labels=_labels(stream.spec)) for stream in streams),
            only_grows=True,
        ),
    )


def _labels(spec: StreamSpec) -> dict[str, str]:
    """Return what tells a stream from all others: two may differ in `periodic` alone."""
    labels = {"channel": spec.channel, "protocol": spec.protocol.name, "topic": spec.topic, "schema": spec.schema}
    return labels | ({"periodic": str(spec.periodic)} if spec.periodic else {})
