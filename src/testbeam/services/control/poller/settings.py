"""Options of the poller."""

from dataclasses import dataclass
from pathlib import Path

from testbeam.runtime.settings import ProgramSettings, option

PROG = "poller"


@dataclass(frozen=True, slots=True, kw_only=True)
class PollerSettings(ProgramSettings):
    """Options of one poller; EPICS itself is configured by the EPICS_* variables."""

    setups: tuple[Path, ...] = option(default=(), help="folder of setups; may be given more than once")
    always: tuple[str, ...] = option(default=(), help="setup to poll whether or not the daemon has loaded it; may be given more than once")
    never: tuple[str, ...] = option(default=(), help="setup not to poll even if the daemon has loaded it; may be given more than once")
    blacklist: tuple[str, ...] = option(default=(), help="device not to poll; may be given more than once")
    cache: str = option(default="", help="HOST:PORT of the cache (default: as the setups say)")
    ready_file: Path | None = option(default=None, help="file to write the process id to, once the cache is reached")
