"""Options of the cache."""

from dataclasses import dataclass
from pathlib import Path

from testbeam.runtime.settings import ProgramSettings, option

PROG = "cache"


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSettings(ProgramSettings):
    """Options of one cache."""

    host: str = option(default="127.0.0.1", help="address to listen on; anything but loopback asks for --allow-remote")
    port: int = option(default=14869, help="TCP port to listen on; 0 lets the system choose")
    allow_remote: bool = option(default=False, help="listen off loopback: the protocol has no passwords, so everybody there may write")
    history: int = option(default=10, help="how many values of each key are kept for history queries; 0 for none")
    limit_mb: int = option(default=256, help="what keys and values may take together; what would take more is refused, and the log says so")
    store: Path | None = option(default=None, help="file that values are kept in for the next start (default: memory only)")
    ready_file: Path | None = option(default=None, help="file to write the process id to, once connections are accepted")
