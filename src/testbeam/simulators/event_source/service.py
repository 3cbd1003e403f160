"""The event source from its start to its end: settings that can be used, a broker with the topics, pulses."""

import logging
import os
import threading
from dataclasses import replace

from testbeam.errors import SettingsError, TransportError
from testbeam.model.agreed import PULSES_BEGIN
from testbeam.model.deadline import Deadline
from testbeam.runtime.status_publisher import StatusPublisher
from testbeam.simulators.event_source.outlet import Outlet
from testbeam.simulators.event_source.pulses import exact_rate
from testbeam.simulators.event_source.settings import EventSourceSettings
from testbeam.transport.kafka.client import Kafka
from testbeam.transport.listening import wait_for_broker

log = logging.getLogger("event-source")

_WAIT_AGAIN_S = 0.02
_LEAVE_WITHIN_S = 5.0


def serve(settings: EventSourceSettings, stop: threading.Event) -> None:
    """Send seeded neutron events (ev44) of the shipped panel and monitor, pulse by pulse, until told to stop."""
    check(settings)
    kafka = Kafka(bootstrap=settings.bootstrap)
    wait_for_broker(kafka, stop, log, within_s=settings.topic_timeout)
    wait_for_topics(
        kafka, [t for t in (settings.detector_topic, settings.monitor_topic, settings.status_topic) if t], settings.topic_timeout, stop
    )
    outlet = Outlet(kafka.producer(queue_buffering_max_kbytes=65536), stop, log)
    log.info(PULSES_BEGIN)  # an idempotent producer takes half a second more for its first message, which waits in its queue meanwhile
    from testbeam.simulators.event_source.source import EventSource  # loads numpy: after the wait, for which it is not needed

    named = replace(settings, service_id=settings.service_id or f"event-source-{os.getpid()}")
    status = StatusPublisher.on(kafka, named.service_id, outlet.drops) if settings.status_topic else None
    try:
        EventSource(named, outlet, status).run(stop)
    finally:
        outlet.close()
        if status is not None:
            status.close(_LEAVE_WITHIN_S)


def check(settings: EventSourceSettings) -> None:
    """Check what only numbers can be wrong about.

    Raises:
        SettingsError: one can't be used.
    """
    for name in ("events_per_pulse", "monitor_events_per_pulse", "pulses", "start_time"):
        value = getattr(settings, name)
        if value < 0:
            raise SettingsError(f"--{name.replace('_', '-')}", value, "a number that is not negative")
    exact_rate(settings.rate)
    if not 0 <= settings.seed < 1 << 64:
        raise SettingsError("--seed", settings.seed, "a whole number from 0 to 2^64 - 1")
    if settings.status_interval <= 0:
        raise SettingsError("--status-interval", settings.status_interval, "a positive number of seconds")


def wait_for_topics(kafka: Kafka, topics: list[str], within_s: float, stop: threading.Event) -> None:
    """Wait until the broker answers and has these topics.

    Raises:
        TransportError: it did not in time; a topic that is missing is named.
    """
    deadline = Deadline(within_s)
    with kafka.reader() as reader:
        while not stop.is_set():
            try:
                reader.partitions_of(topics, within_s=1.0)
            except TransportError:
                if deadline.passed:
                    raise
                stop.wait(_WAIT_AGAIN_S)
            else:
                return
