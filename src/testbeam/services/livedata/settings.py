"""Options of a live-data worker."""

from dataclasses import dataclass
from pathlib import Path

from testbeam.runtime.settings import ProgramSettings, option

PROG = "livedata"
SERVICES = ("monitor_data", "detector_data", "data_reduction", "timeseries")


@dataclass(frozen=True, slots=True, kw_only=True)
class LivedataSettings(ProgramSettings):
    """Options of one worker, which runs the workflows of one or several services of an instrument."""

    bootstrap: str = option(help="Kafka, as HOST:PORT[,HOST:PORT…]")
    instrument: str = option(default="dummy", help="name of an instrument that is shipped, or the path of its .json file")
    geometry: str = option(default="", help="NeXus file that says where pixels are (default: as the instrument's file says)")
    service: tuple[str, ...] = option(default=(), help="a service to run, may be given more than once (default: all)", choices=SERVICES)
    prefix: str = option(default="", help="what topics begin with (default: as the instrument's file says)")
    production: bool = option(default=False, help="topics and source names as in production rather than in development")
    run_topic: tuple[str, ...] = option(default=(), help="topic of run starts and stops (default: <prefix>_filewriter)")
    window: float = option(default=1.0, help="seconds of data time in a window")
    answer_unknown: bool = option(default=False, help="answer commands that no worker owns; give it to one worker of an instrument")
    share: str = option(default="", help="name of the consumer group of workers that share the jobs (default: this worker runs all)")
    max_lag: float = option(default=10.0, help="seconds behind from which data are skipped to keep up; 0 never skips")
    status_interval: float = option(default=2.0, help="seconds between two heartbeats")
    worker_id: str = option(default="", help="UUID of this worker in its heartbeats (default: a new one)")
    auto_start: Path | None = option(default=None, help="JSON file with start commands to do at launch")
    http_port: int = option(default=0, help="port on 127.0.0.1 for /health and /metrics; 0 opens none")
    topic_timeout: float = option(default=30.0, help="seconds to wait for the broker and its topics")
    ready_file: Path | None = option(default=None, help="file to write the process id to, once commands are read")
