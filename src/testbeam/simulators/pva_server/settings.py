"""Options of the PVA server."""

from dataclasses import dataclass
from pathlib import Path

from testbeam.runtime.settings import ProgramSettings, option

PROG = "pva-server"


@dataclass(frozen=True, slots=True, kw_only=True)
class PvaServerSettings(ProgramSettings):
    """Options of one server."""

    prefix: str = option(default="TEST:SMOKE:", help="what the names of the PVs begin with")
    address: str = option(default="127.0.0.1", help="address to serve on")
    port: int = option(default=5075, help="TCP port to serve on; 0 lets the system choose")
    delay: float = option(default=0.35, help="s after which MOVE.RBV follows MOVE.VAL")
    speed: float = option(default=20.0, help="units a second of MOTOR, which its VELO changes")
    lag: float = option(default=0.0, help="s after which MOTOR shows that it moves")
    count_rate: float = option(default=500.0, help="counts a second of COUNTER")
    ready_file: Path | None = option(default=None, help="file to write the process id to, once PVs are served")
