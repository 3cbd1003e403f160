"""Server of simulated PVs as part of a stack, on a loopback address of its own."""

from testbeam.clients.pvs import PvHandle, open_client
from testbeam.kit.handle import Handle
from testbeam.kit.probes.file import FileExists
from testbeam.kit.spec import Service
from testbeam.transport.epics_environment import CA_PORT, PVA_PORT


class PvaServerHandle(Handle):
    """A running server: its PVs."""

    @property
    def prefix(self) -> str:
        """Return what the names of the PVs begin with."""
        return str(self.options["prefix"])

    def pv(self, name: str) -> PvHandle:
        """Return the PV of this full name."""
        host, _, port = self.endpoints["pva"].rpartition(":")
        return PvHandle(name, open_client(host, "pva", int(port)), lambda: ())


def pva_server(
    *, name: str = "pva_server", prefix: str = "TEST:SMOKE:", delay_s: float = 0.35, speed: float = 20.0, lag_s: float = 0.0
) -> Service:
    """Return a server with a readback, a set point that is followed after `delay_s`, a motor, a shutter and a counter.

    speed: of the motor, units a second. lag_s: how late the motor shows that it moves.
    """
    options = {"prefix": prefix, "delay": delay_s, "speed": speed, "lag": lag_s, "address": "${address}", "ready-file": "${dir}/ready"}
    return Service(
        name,
        role="pva_server",
        command=("${python}", "-m", "testbeam.simulators.pva_server", *(f"--{key}={value}" for key, value in options.items())),
        own_address=True,
        endpoints={"pva": f"${{address}}:{PVA_PORT}", "ca": f"${{address}}:{CA_PORT}", "address": "${address}"},
        ready=FileExists("${dir}/ready"),
        handle=PvaServerHandle,
        options={"prefix": prefix},
    )
