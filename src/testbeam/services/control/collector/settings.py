"""Options of the collector."""

import os
from dataclasses import dataclass
from pathlib import Path

from testbeam.runtime.settings import ProgramSettings, option

PROG = "collector"


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectorSettings(ProgramSettings):
    """Options of one collector."""

    setups: tuple[Path, ...] = option(default=(), help="folder of setups, whose setup `collector` says what no option does")
    cache: str = option(default="", help="HOST:PORT of the cache (default: as the setups say)")
    brokers: str = option(default="", help="the Kafka cluster, HOST:PORT,… (default: as the setups say)")
    topic: str = option(default="", help="topic of values and states (default: as the setups say)")
    ignore: tuple[str, ...] = option(default=(), help="device that is not sent; may be given more than once")
    resend_interval: float = option(default=10.0, help="s after which the newest values are sent again, with their old times; 0 for never")
    service_id: str = option(default=f"{os.getpid()}", help="name of this collector in its status (default: the process id)")
    status_topic: str = option(default="", help="topic of its own status (default: none)")
    ready_file: Path | None = option(default=None, help="file to write the process id to, once cache and broker are reached")
