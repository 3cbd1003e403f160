"""Forwarder as part of a stack: ours, or the facility's own build of ess-dmsc/forwarder."""

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from testbeam.errors import SettingsError, StackError
from testbeam.kit.handle import Handle
from testbeam.kit.spec import Port, Service
from testbeam.model.agreed import CLOCK_FILE
from testbeam.model.deadline import Deadline
from testbeam.stacks import kafka_clients
from testbeam.stacks.probes.idle_status import IdleStatus

if TYPE_CHECKING:
    from testbeam.clients.forwarder import ForwarderClient, ForwarderStatus
    from testbeam.clients.topics import TopicHandle
    from testbeam.model.forwarding import StreamSpec

__all__ = ["ForwarderHandle", "forwarder"]

_PROGRAM = ("${python}", "-m", "testbeam.services.forwarder")
_INI = "config-files/${name}.ini"  # a template, since a run may give the service another name
_READY_FILE = "${dir}/ready"


class ForwarderHandle(Handle):
    """A running forwarder: its streams."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._client: ForwarderClient | None = None

    @property
    def client(self) -> "ForwarderClient":
        """Return the client of this forwarder's topics; it sees each status from the moment it is first asked for."""
        if self._client is None:
            from testbeam.clients.forwarder import ForwarderClient  # late: the client library is 70 ms of a start that may not need it

            kafka = kafka_clients.kafka_of(self, self.options["brokers"])
            self._client = ForwarderClient(kafka, self.options["config_topic"], self.options["status_topic"])
        return self._client

    def add(self, *streams: "StreamSpec", within_s: float = 30.0) -> "ForwarderStatus":
        """Forward these streams too, and wait until the forwarder lists them; raise as `ForwarderClient`."""
        client = self.client
        client.add(*streams)
        return client.wait_for_listed(streams, within_s)

    def forward(
        self, channel: str, *, to: "TopicHandle | str" = "", protocol: str = "pva", schema: str = "f144", within_s: float = 30.0
    ) -> None:
        """Send the updates of one PV to a topic (default: the stack's own for them), and wait until the forwarder lists it.

        protocol: "pva", "ca" or "fake". A PV that comes up later is for `add`, which asks no IOC for it.

        Raises:
            SettingsError: there is no such protocol.
            PvMissing: none of the IOCs that the forwarder reaches has it; the forwarder is told nothing.
            WaitTimeout: the forwarder does not list it in time.
        """
        from testbeam.model.forwarding import Protocol, StreamSpec

        if protocol.upper() not in Protocol.__members__:
            raise SettingsError("protocol", protocol, '"pva", "ca" or "fake"')
        deadline = Deadline(within_s)
        if protocol.lower() != "fake":
            self._require(channel, protocol.lower(), within_s)
        topic = (to or str(self.options["data_topic"])) if isinstance(to, str) else to.name
        self.add(StreamSpec(channel=channel, schema=schema, topic=topic, protocol=Protocol[protocol.upper()]), within_s=deadline.left_s)

    def _require(self, channel: str, protocol: str, within_s: float) -> None:
        """Raise PvMissing unless one of the IOCs has the PV; a forwarder without IOCs of the stack is not asked about."""
        from testbeam.clients.pvs import PvHandle, open_client, require_pv  # late: EPICS is 100 ms of a start that may not need it

        with ExitStack() as opened:
            servers: dict[str, PvHandle] = {}
            for name in self.service.needs:
                server = self.run.handles[name]
                if protocol in server.endpoints:
                    host, _, port = server.endpoints[protocol].rpartition(":")
                    client = open_client(host, protocol, int(port))  # type: ignore[arg-type]  # "pva" or "ca"
                    servers[name] = PvHandle(channel, client, partial(getattr, server, "records", ()))
                    opened.callback(servers[name].close)
            if servers:
                require_pv(channel, servers, within_s)

    def close(self) -> None:
        """Leave the broker; called at the end of the run."""
        if self._client is not None:
            self._client.close()
            self._client = None


def forwarder(
    *,
    name: str = "forwarder",
    broker: str = "broker",
    broker_endpoint: str = "kafka",
    iocs: Iterable[str] = ("ioc",),
    config_topic: str = "tb_forwarder_commands",
    status_topic: str = "tb_forwarder_status",
    storage_topic: str = "tb_forwarder_storage",
    data_topic: str = "tb_motion",
    pv_update_period_ms: int | None = None,
    ini: Mapping[str, Any] | None = None,
    command: tuple[str, ...] = (),
) -> Service:
    """Return a forwarder of the PVs of these IOCs (services with endpoints `ca` and `pva`) and no others.

    broker_endpoint: "proxied" to reach a faultable broker by a link that can be broken; its own client goes there directly.
    storage_topic: "" for none. data_topic: where `forward` sends to unless it is told another. pv_update_period_ms: how often
    streams that ask for it repeat their last value. ini: further options by their long names. command: the facility's own build,
    up to its options; it gets the same ini file.
    """
    iocs = tuple(iocs)
    brokers = f"${{{broker}.kafka}}"
    used = f"${{{broker}.{broker_endpoint}}}"
    settings = {
        "config-topic": f"{used}/{config_topic}",
        "status-topic": f"{used}/{status_topic}",
        "output-broker": used,
        **({"storage-topic": f"{used}/{storage_topic}"} if storage_topic else {}),
        **({"pv-update-period": pv_update_period_ms} if pv_update_period_ms else {}),
        "service-id": "${name}",
    }
    service = Service(
        name,
        role="forwarder",
        command=(*(command or _PROGRAM), "-c", f"${{run_dir}}/{_INI}", *(() if command else ("--ready-file", _READY_FILE))),
        needs=(broker, *iocs),
        ports=(Port(name="repeater"), Port(name="pva_broadcast", transport="udp")),
        env=_epics(iocs) | kafka_clients.environment(broker) | ({} if command else {CLOCK_FILE: "${dir}/clock"}),
        ready=IdleStatus("" if command else _READY_FILE),
        handle=ForwarderHandle,
        options={
            "brokers": brokers,
            "config_topic": config_topic,
            "status_topic": status_topic,
            "storage_topic": storage_topic,
            "data_topic": data_topic,
            "topics": tuple(filter(None, (config_topic, status_topic, storage_topic, data_topic))),
            "settings": settings,
        },
        configure=_configured,
    )
    return _configured(service, {"ini": ini or {}})


def _epics(iocs: tuple[str, ...]) -> dict[str, str]:
    """Return the client's side of the isolation: CA by UDP to each IOC, PVA by name server, nobody else.

    Source: docs/reference/contracts/ioc.md, "Isolation".
    """
    return {
        "EPICS_CA_ADDR_LIST": " ".join(f"${{{ioc}.ca}}" for ioc in iocs),
        "EPICS_CA_AUTO_ADDR_LIST": "NO",
        "EPICS_CA_REPEATER_PORT": "${port.repeater}",
        "EPICS_PVA_NAME_SERVERS": " ".join(f"${{{ioc}.pva}}" for ioc in iocs),
        "EPICS_PVA_ADDR_LIST": "",
        "EPICS_PVA_AUTO_ADDR_LIST": "NO",
        "EPICS_PVA_BROADCAST_PORT": "${port.pva_broadcast}",  # a client binds it, and fails where another program has the usual one alone
    }


def _configured(service: Service, changes: Mapping[str, Any]) -> Service:
    """Return the service with more settings (`ini`), which are a file of the run."""
    unknown = set(changes) - {"ini"}
    if unknown:
        raise StackError(f"service {service.name!r} can't be configured by {', '.join(sorted(unknown))}; a forwarder takes ini")
    settings = dict(service.options["settings"]) | dict(changes.get("ini", {}))
    lines = ["[${name}]", *(f"{key}={value}" for key, value in settings.items())]
    files = dict(service.files) | {_INI: "\n".join(lines) + "\n"}
    return replace(service, files=files, options={**service.options, "settings": settings})
