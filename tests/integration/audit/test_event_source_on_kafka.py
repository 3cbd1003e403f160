"""The event source as a program on a real broker."""

import json
import os
import signal
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from testbeam.clients.topics import TopicHandle
from testbeam.instruments.loader import load
from testbeam.instruments.nexus_structure import fragment
from testbeam.kit.handle import Handle
from testbeam.model.samples import Events
from testbeam.model.status import ServiceStatus
from testbeam.nexus.compose import group, nexus_structure
from testbeam.stacks.roles.event_source.declaration import event_source
from tests.integration.audit.conftest import Beamline

START_MS = 1_700_000_000_000


def payloads(topic: TopicHandle) -> list[bytes]:
    return [record.payload for record in topic.messages()]


def status_of(topic: TopicHandle) -> list[dict[str, Any]]:
    return [json.loads(r.value.status_json) for r in topic.messages() if isinstance(r.value, ServiceStatus)]


def run_to_its_end(beamline: Beamline, detector: str, monitor: str, status: str, **options: Any) -> None:
    """Run a source until its heartbeat says that all pulses are on Kafka."""
    source = event_source(f"source-{status}", detector_topic=detector, monitor_topic=monitor, status_topic=status, **options)
    with beamline.run.add(source):
        beamline.broker.topic(status).expect(where=lambda r: '"finished"' in r.value.status_json, within_s=30)


def test_the_same_seed_and_start_give_the_same_bytes(beamline: Beamline) -> None:
    topics = [[beamline.topic(f"{what}{i}") for what in ("detector", "monitor", "status")] for i in range(2)]
    for names in topics:
        run_to_its_end(beamline, *names, seed=5, pulses=40, start_time_ms=START_MS, events_per_pulse=200, as_fast_as_possible=True)

    first, second = ([payloads(beamline.broker.topic(name)) for name in names[:2]] for names in topics)

    assert first == second
    assert [len(messages) for messages in first] == [40, 40]


def test_every_event_sent_is_in_the_file(beamline: Beamline, past_ms: Callable[[int], int]) -> None:
    detector, monitor, status = (beamline.topic(what) for what in ("detector", "monitor", "status"))
    run_to_its_end(
        beamline, detector, monitor, status, pulses=140, start_time_ms=past_ms(0), events_per_pulse=500, as_fast_as_possible=True
    )
    instrument = fragment(load("demo"), detector_topic=detector, monitor_topic=monitor)

    file = beamline.write(nexus_structure(group("entry", "NXentry", instrument)), past_ms(0), past_ms(10_000))
    result = beamline.audit(file)

    assert result.ok, result.findings
    assert (result.read, result.expected, result.written) == (280, 280, 280)
    said = status_of(beamline.broker.topic(status))[-1]
    assert (said["pulses"], said["events"], said["delivered"], said["dropped"]) == (140, 140 * 600, 280, {})


def test_pulses_come_by_the_clock_once_and_in_order(beamline: Beamline) -> None:
    detector, monitor = beamline.topic("detector"), beamline.topic("monitor")
    with beamline.run.add(event_source("clocked", detector_topic=detector, monitor_topic=monitor, rate=50, events_per_pulse=10)):
        begin_s = time.monotonic()
        with beamline.broker.topic(detector).tail() as tail:
            records = tail.take(50, within_s=60)[:50]
        took_s = time.monotonic() - begin_s
    events: list[Events] = [record.value for record in records]

    assert took_s > 0.5
    assert [b.message_id - a.message_id for a, b in pairwise(events)] == [1] * 49
    period_ns = {int(b.reference_time_ns[0] - a.reference_time_ns[0]) for a, b in pairwise(events)}
    assert period_ns <= {19_999_999, 20_000_000, 20_000_001}
    assert all(abs(record.timestamp_ms * 1_000_000 - e.reference_time_ns[0]) < 1_000_000 for record, e in zip(records, events, strict=True))


def test_it_waits_for_its_topics_and_its_pulses_come_soon_after_it_is_ready(beamline: Beamline) -> None:
    detector, monitor = beamline.topic("detector"), beamline.topic("monitor")

    with beamline.run.add(event_source("waiting", detector_topic=detector, monitor_topic=monitor)):
        for topic, source in ((detector, "panel"), (monitor, "monitor")):
            assert beamline.broker.topic(topic).expect(source=source, within_s=60).schema == "ev44"


def test_sigterm_ends_it_in_order_with_everything_acknowledged(beamline: Beamline) -> None:
    detector, monitor = beamline.topic("detector"), beamline.topic("monitor")
    source = event_source("ended", detector_topic=detector, monitor_topic=monitor, rate=1000, events_per_pulse=10, as_fast_as_possible=True)
    with beamline.run.add(source) as handle:
        assert isinstance(handle, Handle)
        assert handle.pid is not None
        beamline.broker.topic(detector).expect(source="panel", within_s=60)
        with handle.expect_exit():
            os.kill(handle.pid, signal.SIGTERM)
            assert handle.wait_exit(10) == 0
        log = handle.get_stderr()

    sent = int(log.split(" pulses, ")[0].rsplit(" ", 1)[-1])
    assert sent > 0
    assert beamline.broker.topic(detector).count() == beamline.broker.topic(monitor).count() == sent
    assert "dropped" not in log
