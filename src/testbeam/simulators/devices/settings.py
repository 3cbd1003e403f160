"""Options of a simulator."""

from dataclasses import dataclass
from pathlib import Path

from testbeam.runtime.settings import ProgramSettings, option


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSettings(ProgramSettings):
    """Options of a simulated device."""

    device: str = option(default="power_supply", help="a name, FILE.py:CLASS, MODULE:CLASS, or FILE.jsonl, the wire transcript of an IOC")
    address: str = option(default="127.0.0.1", help="address to listen on")
    port: int = option(default=-1, help="TCP port (default: the device's own; 0: any free one)")
    instances: int = option(default=1, help="so many of them, on ports one after the other, with seeds one after the other")
    line: Path | None = option(default=None, help="serve a serial line as well: path of the link to its pseudo-terminal")
    backdoor: Path | None = option(default=None, help="Unix socket for state, faults and time")
    seed: int = option(default=0, help="seed of noise and faults")
    speed: float = option(default=1.0, help="virtual seconds in a real one; 0: time moves by the backdoor only")
    set: tuple[str, ...] = option(default=(), help="state to begin with, NAME=VALUE; may be repeated")
    fault: tuple[str, ...] = option(default=(), help="fault to begin with, NAME=VALUE; may be repeated")
