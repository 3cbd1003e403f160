"""Options of the IOC."""

from dataclasses import dataclass
from pathlib import Path

from testbeam.runtime.settings import ProgramSettings, option


@dataclass(frozen=True, slots=True, kw_only=True)
class IocSettings(ProgramSettings):
    """Options of the IOC; `db` entries are `FILE` or `FILE,NAME=VALUE,…`, read by `databases.parse`."""

    db: tuple[str, ...] = option(
        default=(),
        help="database to load, with macros of its own after commas: FILE or FILE,P=X:,N=3; may be repeated (default: the demo records)",
    )
    macro: tuple[str, ...] = option(default=(), help="macro for every database, NAME=VALUE; may be repeated")
    counting: int = option(default=0, help="add this many records $(P)COUNT-0 … that count at 10 Hz, to prove that no update is lost")
    address: str = option(default="127.0.0.1", help="loopback address to serve CA and PVA on")
    ca_port: int = option(default=5064, help="port of Channel Access at the address, TCP and UDP")
    pva_port: int = option(default=5075, help="TCP port of PV Access at the address")
    pva_broadcast_port: int = option(default=5076, help="UDP port for searches of PV Access")
    qsrv: int = option(default=2, help="generation of the PVA server for records, 1 (of EPICS base) or 2 (of PVXS)")
    peer: tuple[str, ...] = option(
        default=(), help="another IOC that links of these records may reach: ADDRESS, or ADDRESS:CA_PORT,ADDRESS:PVA_PORT; may be repeated"
    )
    st_cmd: Path | None = option(default=None, help="start-up file to run as iocsh would (st.cmd); its tree needs no build")
    port: tuple[str, ...] = option(
        default=(), help="port for records with DTYP stream, NAME=HOST:PORT or NAME=/dev/LINE; may be repeated; without a start-up file"
    )
    protocols: tuple[str, ...] = option(default=(), help="folder with protocol files, after those of STREAM_PROTOCOL_PATH; may be repeated")
    localhost: str = option(default="127.0.0.1", help="what `localhost` means in the ports of this IOC")
    device: tuple[str, ...] = option(
        default=(), help="what stands for a device that is not here: /dev/ttyS0=localhost:9999 or ps.lab:23=localhost:9999; may be repeated"
    )
    host: tuple[str, ...] = option(default=(), help="address of a computer that ports name, NAME=ADDRESS; may be repeated")
    real_devices: bool = option(default=False, help="let ports reach other computers and the serial lines of this one")
    wire_log: Path | None = option(default=None, help="file for what goes over the ports, one JSON object a line")
    shell_socket: Path | None = option(default=None, help="Unix socket that takes lines for the IOC shell")
    start_report: Path | None = option(default=None, help="file for what the start-up file asks for and is not done, as JSON")
    records_file: Path = option(
        default=Path("records.txt"), help="where the names of all records are written once the IOC runs, one a line"
    )
    skip_init_sleep: bool = option(
        default=False,
        help="spare iocInit its sleep of 0.5 s by a patch of EPICS base in memory (x86-64), as the reference stack and the IOC driver do",
    )
