"""Options of the event source."""

from dataclasses import dataclass

from testbeam.runtime.settings import ProgramSettings, option

PROG = "event-source"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSourceSettings(ProgramSettings):
    """Options of the event source. A number of events or pulses is exact; the same seed and start time give the same bytes."""

    bootstrap: str = option(help="Kafka, as HOST:PORT[,HOST:PORT…]")
    detector_topic: str = option(default="tb_detector", help="topic of the panel's events")
    monitor_topic: str = option(default="tb_beam_monitor", help="topic of the monitor's events; empty sends none")
    instrument: str = option(default="demo", help="name or .json file of the instrument whose first detector and monitor it is")
    detector_source: str = option(default="", help="source name of the panel; default that of the instrument's file")
    monitor_source: str = option(default="", help="source name of the monitor; default that of the instrument's file")
    rate: float = option(default=14.0, help="pulses per second")
    events_per_pulse: int = option(default=1000, help="events of the panel in each pulse")
    monitor_events_per_pulse: int = option(default=100, help="events of the monitor in each pulse")
    seed: int = option(default=0, help="the same seed gives the same events")
    pulses: int = option(default=0, help="end after so many pulses; 0 goes on until told to stop")
    start_time: int = option(default=0, help="time of the first pulse in ms since 1970; 0 is now, on the grid of whole pulses since 1970")
    as_fast_as_possible: bool = option(default=False, help="don't keep to the rate by the clock; the pulses' times still do")
    stay: bool = option(default=False, help="after the last pulse stay up until told to stop")
    status_topic: str = option(default="", help="topic of the x5f2 heartbeat; empty sends none")
    status_interval: float = option(default=2.0, help="seconds between two heartbeats")
    service_id: str = option(default="", help="name in the heartbeat; default event-source and the process id")
    topic_timeout: float = option(default=30.0, help="seconds to wait for the broker and its topics")
