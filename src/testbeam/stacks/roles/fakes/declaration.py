"""Declaration of the fakes: seeded messages of an instrument's monitors, detectors and logs."""

from typing import Any

from testbeam.errors import StackError
from testbeam.kit.probes.log_line import LogLine
from testbeam.kit.spec import Service
from testbeam.model.agreed import CLOCK_FILE, PULSES_BEGIN
from testbeam.stacks import kafka_clients


def fake_monitors(
    name: str = "fake_monitors",
    *,
    broker: str = "broker",
    instrument: str = "demo",
    monitor_topic: str = "tb_beam_monitor",
    mode: str = "ev44",
    num_monitors: int = 0,
    events_per_pulse: int = 1000,
    **further: Any,
) -> Service:
    """Return fake beam monitors: events (mode "ev44") or histograms ("da00"), the first monitor with so many events a pulse.

    further: rate, seed, pulses (0: without end), start_time (ms, 0: now), as_fast_as_possible.
    """
    options = {"mode": mode, "num-monitors": num_monitors, "events-per-pulse": events_per_pulse}
    return _fake(name, "fake_monitors", broker, instrument, {"beam_monitor": monitor_topic}, options, further)


def fake_detectors(
    name: str = "fake_detectors",
    *,
    broker: str = "broker",
    instrument: str = "demo",
    detector_topic: str = "tb_detector",
    mode: str = "ev44",
    events_per_pulse: int = 1000,
    distinct_pulses: int = 0,
    **further: Any,
) -> Service:
    """Return fake detectors: events (mode "ev44"), so many a pulse of each, or images of the cameras ("ad00").

    distinct_pulses: so many pulses' events come again and again, at little cost to the source (0: each is drawn anew). further: as of
    `fake_monitors`. Images go to the topic of the same prefix that ends in area_detector.
    """
    topics = {"detector": detector_topic}
    if mode == "ad00":
        topics |= {"area_detector": f"{_prefix(name, 'detector', detector_topic)}_area_detector"}
    options = {"mode": mode, "events-per-pulse": events_per_pulse, "distinct-pulses": distinct_pulses}
    return _fake(name, "fake_detectors", broker, instrument, topics, options, further)


def fake_logdata(
    name: str = "fake_logdata",
    *,
    broker: str = "broker",
    instrument: str = "demo",
    motion_topic: str = "tb_motion",
    **further: Any,
) -> Service:
    """Return fake logs: values of the instrument's PVs; further: as of `fake_monitors`."""
    return _fake(name, "fake_logdata", broker, instrument, {"motion": motion_topic}, {}, further)


def _fake(
    name: str, role: str, broker: str, instrument: str, topics: dict[str, str], options: dict[str, Any], further: dict[str, Any]
) -> Service:
    known = {"rate", "seed", "pulses", "start_time", "as_fast_as_possible"}
    if not set(further) <= known:
        raise StackError(f"service {name!r} takes {', '.join(sorted(known))}, not {', '.join(sorted(set(further) - known))}")
    suffix, topic = next(iter(topics.items()))
    flags = ("--as-fast-as-possible",) if further.pop("as_fast_as_possible", False) else ()
    words = {"bootstrap": f"${{{broker}.kafka}}", "instrument": instrument, "prefix": _prefix(name, suffix, topic), **options}
    words |= {key.replace("_", "-"): value for key, value in further.items()}
    return Service(
        name,
        role=role,
        command=("${python}", "-m", f"testbeam.simulators.{role}", *(f"--{key}={value}" for key, value in words.items()), "--stay", *flags),
        needs=(broker,),
        env={CLOCK_FILE: "${dir}/clock"} | kafka_clients.environment(broker),
        ready=LogLine(PULSES_BEGIN),
        options={"brokers": f"${{{broker}.kafka}}", "topics": tuple(topics.values())},
    )


def _prefix(name: str, suffix: str, topic: str) -> str:
    """Return what the topic begins with: a fake derives the names of all its topics from it."""
    prefix = topic.removesuffix(f"_{suffix}")
    if not prefix or prefix == topic:
        raise StackError(f"service {name!r}: topic {topic!r} has to end in _{suffix}")
    return prefix
