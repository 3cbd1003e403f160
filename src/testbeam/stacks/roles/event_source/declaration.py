"""Event source as part of a stack: seeded neutron events on the detector's and the monitor's topic."""

from testbeam.kit.probes.log_line import LogLine
from testbeam.kit.spec import Service
from testbeam.model.agreed import CLOCK_FILE, PULSES_BEGIN
from testbeam.stacks import kafka_clients


def event_source(
    name: str = "event_source",
    *,
    broker: str = "broker",
    broker_endpoint: str = "kafka",
    detector_topic: str = "tb_detector",
    monitor_topic: str = "tb_beam_monitor",
    status_topic: str = "",
    instrument: str = "demo",
    detector_source: str = "",
    monitor_source: str = "",
    rate: float = 14.0,
    events_per_pulse: int = 1000,
    monitor_events_per_pulse: int = 100,
    seed: int = 0,
    pulses: int = 0,
    start_time_ms: int = 0,
    as_fast_as_possible: bool = False,
) -> Service:
    """Return the service: ready once Kafka has its topics and pulses begin; after the last of `pulses` it stays up.

    rate: pulses per second. pulses: 0 means without end. start_time_ms: time of the first pulse since 1970, 0 is now.
    instrument: name or file of the one whose first detector and monitor these events are of; its source names are taken unless others are
    given. `testbeam.instruments.nexus_structure.fragment` gives the NeXus group of an instrument.
    """
    options = {
        "bootstrap": f"${{{broker}.{broker_endpoint}}}",
        "detector-topic": detector_topic,
        "monitor-topic": monitor_topic,
        "status-topic": status_topic,
        "instrument": instrument,
        "detector-source": detector_source,
        "monitor-source": monitor_source,
        "rate": rate,
        "events-per-pulse": events_per_pulse,
        "monitor-events-per-pulse": monitor_events_per_pulse,
        "seed": seed,
        "pulses": pulses,
        "start-time": start_time_ms,
        "service-id": "${name}",
    }
    flags = ("--stay", *(("--as-fast-as-possible",) if as_fast_as_possible else ()))
    topics = tuple(filter(None, (detector_topic, monitor_topic, status_topic)))
    return Service(
        name,
        role="event_source",
        command=(
            "${python}",
            "-m",
            "testbeam.simulators.event_source",
            *(f"--{key}={value}" for key, value in options.items()),
            *flags,
        ),
        needs=(broker,),
        env={CLOCK_FILE: "${dir}/clock"} | kafka_clients.environment(broker),
        ready=LogLine(PULSES_BEGIN),
        options={"brokers": f"${{{broker}.kafka}}", "detector_topic": detector_topic, "topics": topics},
    )
