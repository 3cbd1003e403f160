"""Options of the daemon."""

from dataclasses import dataclass
from pathlib import Path

from testbeam.runtime.settings import ProgramSettings, option

PROG = "daemon"


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonSettings(ProgramSettings):
    """Options of one daemon; EPICS itself is configured by the EPICS_* variables."""

    setups: tuple[Path, ...] = option(default=(), help="folder of setups; may be given more than once, later ones add to earlier ones")
    load: tuple[str, ...] = option(default=(), help="setup to load at the start; may be given more than once")
    cache: str = option(default="", help="HOST:PORT of the cache (default: as the setups say, else none)")
    host: str = option(default="127.0.0.1", help="address to listen on; anything but loopback asks for --passwords")
    port: int = option(default=1301, help="TCP port to listen on; 0 lets the system choose")
    passwords: Path | None = option(
        default=None,
        help="file of users, a line each: NAME LEVEL HASHING HASH, with LEVEL guest, user or admin (default: as the setup daemon says)",
    )
    serializer: str = option(default="json", help="how values travel; classic is pickle, for old clients", choices=("json", "classic"))
    ready_file: Path | None = option(default=None, help="file to write the process id to, once clients are accepted")
