"""IOC as part of a stack: our own host of EPICS base with the user's databases, or the demo records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbeam.clients.pvs import PvClient, PvHandle, PvProtocol, open_client
from testbeam.errors import PvMissing, TestbeamError
from testbeam.kit.handle import Handle
from testbeam.kit.journal import Event
from testbeam.kit.protocols import Evidence
from testbeam.kit.spec import Port, ProbeResult, Service, ServiceView
from testbeam.model.deadline import Deadline
from testbeam.stacks.roles.ioc.records_file import RECORDS_FILE as RECORDS_FILE
from testbeam.transport import epics_libraries
from testbeam.transport.ca.client import CaClient
from testbeam.transport.epics_environment import CA_PORT, PVA_BROADCAST_PORT, PVA_PORT, client_environment
from testbeam.transport.pva import port as pva_port

_PROBE_S = 0.4

epics_environment = client_environment


class IocHandle(Handle):
    """A running IOC: its PVs and the names of its records."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._clients: dict[PvProtocol, PvClient] = {}
        self._asked: dict[str, PvHandle] = {}

    def pv(self, name: str, protocol: PvProtocol = "pva") -> PvHandle:
        """Return the PV of this full name over "pva" or "ca"; nothing is asked of the IOC yet."""
        if protocol not in self._clients:
            host, _, port = self.endpoints[protocol if protocol in self.endpoints else "pva"].rpartition(":")
            search_port = self.ports["pva_broadcast"] if self.options.get("qsrv") == 1 else None
            self._clients[protocol] = open_client(host, protocol, int(port), search_port)
        self._asked[f"{protocol} {name}"] = handle = PvHandle(name, self._clients[protocol], lambda: self.records)
        return handle

    @property
    def prefix(self) -> str:
        """Return what the names of the demo records begin with."""
        return str(self.options.get("prefix", ""))

    @property
    def records(self) -> tuple[str, ...]:
        """Return the names of all records; none while the IOC starts, or where it does not write them."""
        file = self.folder / RECORDS_FILE
        return tuple(file.read_text().split()) if file.exists() else ()

    def evidence(self, begin: Event) -> Sequence[Evidence]:  # noqa: ARG002 — a PV has no past to ask for
        """Return what every PV that was asked for is now."""
        values = [f"{name}: {_now(handle)}" for name, handle in self._asked.items()]
        return [Evidence(title="PVs that were asked for, as they are now", text="\n".join(values))] if values else []

    def close(self) -> None:
        """End the connections of all PV handles."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()
        self._asked.clear()


@dataclass(frozen=True, slots=True)
class PvAnswers:
    """Ready when a PV answers on a fresh CA channel, and PVA greets; `pv` is any record of the IOC unless one is named."""

    pv: str = ""

    def check(self, service: ServiceView) -> ProbeResult:
        """Look once, over a connection of its own."""
        deadline = Deadline(_PROBE_S)
        pv = self.pv or _first_record(service.folder / RECORDS_FILE)
        if not pv:
            return ProbeResult(ready=False, detail="EPICS base is still initialising: no record is announced")
        try:
            with CaClient(service.address, service.ports["ca"]) as client:
                reading = client.channel(pv, deadline.left_s).get(deadline.left_s)
        except PvMissing as error:
            return ProbeResult(ready=False, detail=str(error))
        if not pva_port.greets(service.address, deadline, service.ports["pva"]):
            return ProbeResult(ready=False, detail=f"what listens at {service.endpoints['pva']} does not speak PVA")
        return ProbeResult(ready=True, detail=f"{pv} answers over CA with {reading.value!r:.60}, and PVA greets")


def ioc(
    *db_files: str | Path,
    name: str = "ioc",
    macros: Mapping[str, str] | None = None,
    prefix: str = "",
    counting: int = 0,
    peers: tuple[str, ...] = (),
    probe_pv: str = "",
    ca_port: int | None = None,
    pva_port: int | None = None,
    qsrv: int = 2,
    st_cmd: str | Path | None = None,
    stream_ports: Mapping[str, str] | None = None,
    protocols: Sequence[str | Path] = (),
    devices: Mapping[str, str] | None = None,
    env: Mapping[str, str] | None = None,
    needs: tuple[str, ...] = (),
    skip_init_sleep: bool = False,
) -> Service:
    """Return an IOC of these database files on a loopback address of its own, serving CA and PVA.

    With `st_cmd` it runs a start-up file, from sources that need no build. Records with DTYP stream talk over the ports of that file, or
    over `stream_ports`, name → `host:port` or the path of a line, with protocol files of the folders `protocols`. `devices` tells what is
    there for a device: `{"ps.lab:23": "${simulator.device}"}`; simulators are among the `needs`.

    A file may have macros of its own after commas, `motor.db,P=M1:` (a Path has none); `macros` are for every file, and `prefix` is the
    macro P. The ports are 5064 and 5075 where nobody listens on them on every address of the machine, as a site's own IOC does, else
    free ones; `ca_port` and `pva_port` ask for very numbers. `qsrv` is the generation of the PVA server for records: 1, of EPICS base, is
    found by `EPICS_PVA_ADDR_LIST` only, and services of the stack reach it over CA. Without files it holds the demo records.
    `counting` adds that many records `<prefix>COUNT-0` … that count at 10 Hz. `peers` are other IOCs of the stack, started before this
    one, whose PVs its links may reach. Readiness is an answer of `probe_pv`, or of whichever record the IOC announces. `skip_init_sleep`
    spares `iocInit` its sleep of 0.5 s by a patch of EPICS base in memory, as the reference stack does; else base is as it was built.

    Raises:
        StackError: EPICS base is not installed, or there are no wheels of it for this platform.
    """
    epics_libraries.require()
    all_macros = ({"P": prefix} if prefix else {}) | dict(macros or {})
    options = [word for file in db_files for word in ("--db", _entry(file))]
    options += [word for macro in all_macros.items() for word in ("--macro", "=".join(macro))]
    options += ["--counting", str(counting)] if counting else []
    options += [word for peer in peers for word in ("--peer", f"${{{peer}.ca}},${{{peer}.pva}}")]
    start = str(Path(st_cmd).absolute()).replace("$", "$$") if st_cmd else ""
    options += ["--st-cmd", start, "--start-report", "start.json"] if start else []
    options += [word for port in (stream_ports or {}).items() for word in ("--port", "=".join(port))]
    options += [word for entry in protocols for word in ("--protocols", str(Path(entry).absolute()).replace("$", "$$"))]
    options += [word for device in (devices or {}).items() for word in ("--device", "=".join(device))]
    options += ["--wire-log", "wire.jsonl", "--shell-socket", "iocsh"] if st_cmd or stream_ports else []
    options += ["--qsrv", str(qsrv)] if qsrv != 2 else []
    options += ["--skip-init-sleep"] if skip_init_sleep else []
    options += ["--ca-port", "${port.ca}", "--pva-port", "${port.pva}", "--pva-broadcast-port", "${port.pva_broadcast}"]
    return Service(
        name,
        role="ioc",
        needs=(*peers, *needs),
        env=dict(env or {}),
        command=("${python}", "-m", "testbeam.services.ioc", "--address", "${address}", "--records-file", RECORDS_FILE, *options),
        own_address=True,
        ports=ports(ca_port, pva_port),
        endpoints=({"pva_search_only": "${address}:${port.pva_broadcast}"} if qsrv == 1 else {})
        | {
            "ca": "${address}:${port.ca}",
            "pva": "${address}:${port.pva}",
            "pva_search": "${address}:${port.pva_broadcast}",
            "address": "${address}",
        },
        ready=PvAnswers(probe_pv),
        handle=IocHandle,
        options={"prefix": prefix, "peers": tuple(peers), "qsrv": qsrv},
    )


def ports(ca_port: int | None = None, pva_port: int | None = None) -> tuple[Port, ...]:
    """Return the ports of an IOC: the usual ones of its protocols where they are free."""
    return (
        Port(name="ca", fixed=ca_port, usual=CA_PORT, transport="both"),
        Port(name="pva", fixed=pva_port, usual=PVA_PORT),
        Port(name="pva_broadcast", usual=PVA_BROADCAST_PORT, transport="udp"),
    )


def _now(handle: PvHandle) -> str:
    try:
        return str(handle.read(within_s=_PROBE_S))
    except TestbeamError as error:
        return str(error)


def _entry(file: str | Path) -> str:
    """Return an entry of `--db`: the path independent of the service's working directory, its commas and dollars told from ours."""
    if isinstance(file, str) and file.startswith("${"):
        return file
    path, comma, macros = (str(file), "", "") if isinstance(file, Path) or Path(file).is_file() else file.partition(",")
    whole = str(Path(path).absolute()).replace("\\", "\\\\").replace(",", "\\,").replace("$", "$$")
    return f"{whole}{comma}{macros}"


def _first_record(file: Path) -> str:
    if not file.exists():
        return ""
    with file.open() as lines:
        return lines.readline().strip()
