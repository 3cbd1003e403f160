"""Instrument control as part of a stack: its four programs, over one folder of setups."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from testbeam.errors import StackError
from testbeam.kit import template
from testbeam.kit.handle import Handle
from testbeam.kit.probes.file import FileExists
from testbeam.kit.spec import Port, Service
from testbeam.stacks import kafka_clients
from testbeam.stacks.probes.nicos import NicosAnswers
from testbeam.transport.epics_environment import client_environment

if TYPE_CHECKING:
    from testbeam.clients.control import Client

__all__ = ["DEMO_SETUPS", "ControlHandle", "ControlPart", "control", "control_parts"]

ControlPart: TypeAlias = Literal["cache", "poller", "collector", "daemon"]
PARTS: tuple[ControlPart, ...] = get_args(ControlPart)
DEMO_SETUPS = Path(__file__).parent / "setups"
NEXUS_TEMPLATE = Path(__file__).parent / "nexus" / "template.json"
_READY_FILE = "${dir}/ready"
_TOPICS = {
    "pool_topic": "POOL_TOPIC",
    "control_topic": "CONTROL_TOPIC",
    "writer_status_topic": "WRITER_STATUS_TOPIC",
    "forwarder_config_topic": "FORWARDER_CONFIG_TOPIC",
    "forwarder_status_topic": "FORWARDER_STATUS_TOPIC",
    "data_topic": "DATA_TOPIC",
    "collector_topic": "COLLECTOR_TOPIC",
    "scichat_topic": "SCICHAT_TOPIC",
}


class ControlHandle(Handle):
    """A running part of instrument control; the daemon's has a client."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._clients: list[Client] = []

    @property
    def data_root(self) -> Path:
        """Return the folder of counters, scan files and NeXus files."""
        return Path(self.fill(self.options["data_root"]))

    def client(self, user: str = "user", password: str = "user", **more: Any) -> "Client":  # noqa: S107 — that of the demo setups
        """Return a new client of the daemon; it is closed at the end of the run at the latest.

        Raises:
            StackError: this part is no daemon.
        """
        from testbeam.clients.control import Client  # late, as everything that a start does not need

        if "daemon" not in self.endpoints:
            raise StackError(f"{self.name} is no daemon; take run['daemon'].client()")
        client = Client(self.endpoints["daemon"], user, password, runtime_root=self.data_root.parent, **more)
        self._clients.append(client)
        return client

    def close(self) -> None:
        """Log out; called at the end of the run."""
        for client in self._clients:
            client.close()
        self._clients.clear()


def control(
    *,
    name: str = "daemon",
    part: ControlPart = "daemon",
    broker: str = "broker",
    cache: str = "cache",
    iocs: Iterable[str] = ("ioc",),
    setups: Iterable[Path | str] = (),
    load: Iterable[str] = (),
    passwords: Path | str = "",
    data_root: Path | str = "${run_dir}/data",
    nexus_template: Path | str = NEXUS_TEMPLATE,
    pv_prefix: str = "TEST:SMOKE:",
    pool_topic: str = "tb_filewriter_pool",
    control_topic: str = "tb_filewriter_control",
    writer_status_topic: str = "tb_filewriter_status",
    forwarder_config_topic: str = "tb_forwarder_commands",
    forwarder_status_topic: str = "tb_forwarder_status",
    data_topic: str = "tb_motion",
    collector_topic: str = "tb_nicos_devices",
    scichat_topic: str = "tb_scichat",
    env: Mapping[str, str] | None = None,
) -> Service:
    """Return one part of instrument control: the cache, the poller, the collector or the daemon.

    setups: folders of setup files (default: those of the demo instrument); they find brokers, topics and folders in the
    variables TESTBEAM_CONTROL_…, and `env` adds to these. load: setups that the daemon begins with. iocs: whose PVs devices reach.
    data_root: folder of counters and files; give the file-writer the same as `output`.

    Raises:
        StackError: there is no such part.
    """
    if part not in PARTS:
        raise StackError(f"service {name!r}: there is no part {part!r} of control; {template.near(part, PARTS)}")
    topics = {
        "pool_topic": pool_topic,
        "control_topic": control_topic,
        "writer_status_topic": writer_status_topic,
        "forwarder_config_topic": forwarder_config_topic,
        "forwarder_status_topic": forwarder_status_topic,
        "data_topic": data_topic,
        "collector_topic": collector_topic,
        "scichat_topic": scichat_topic,
    }
    iocs = tuple(iocs) if part in ("poller", "daemon") else ()
    uses_broker = part in ("collector", "daemon", "poller")
    options = [word for folder in (tuple(setups) or (DEMO_SETUPS,)) for word in ("--setups", str(folder))]
    options += [word for one in load for word in ("--load", one)] if part == "daemon" else []
    options += ["--passwords", str(passwords)] if passwords and part == "daemon" else []
    options += ["--brokers", f"${{{broker}.kafka}}", "--topic", collector_topic] if part == "collector" else []
    options += ["--cache", f"${{{cache}.cache}}"] if part != "cache" else []
    served = ["--host", "${address}", "--port", f"${{port.{part}}}"] if part in ("cache", "daemon") else []
    return Service(
        name,
        role="control",
        command=(
            "${python}",
            "-m",
            f"testbeam.services.control.{part}",
            *(options if part != "cache" else ()),
            *served,
            "--ready-file",
            _READY_FILE,
        ),
        needs=(*((broker,) if uses_broker else ()), *((cache,) if part != "cache" else ()), *iocs),
        ports=(Port(name=part),) if part in ("cache", "daemon") else (),
        endpoints={part: f"${{address}}:${{port.{part}}}"} if part in ("cache", "daemon") else {},
        env=_epics(iocs)
        | kafka_clients.environment(broker)
        | _variables(topics, broker, cache, part, str(data_root), str(nexus_template), pv_prefix)
        | {"TMPDIR": "${dir}"}  # what it makes there goes with the run, also where it is killed
        | dict(env or {}),
        ready=NicosAnswers(part) if part in ("cache", "daemon") else FileExists(_READY_FILE),
        handle=ControlHandle,
        options={
            "part": part,
            "data_root": str(data_root),
            "setups": json.dumps([str(one) for one in setups]),
            "topics": tuple(dict.fromkeys(topics.values())),
        },
    )


def control_parts(**common: Any) -> tuple[Service, ...]:
    """Return all four parts, named cache, poller, collector and daemon; `common` is what `control` takes."""
    own = {"daemon": ("load", "passwords")}
    return tuple(
        control(name=part, part=part, **{word: value for word, value in common.items() if word not in ("load", "passwords") or part in own})
        for part in PARTS
    )


def _epics(iocs: tuple[str, ...]) -> dict[str, str]:
    return client_environment([f"${{{ioc}.address}}" for ioc in iocs]) if iocs else {}


def _variables(
    topics: Mapping[str, str], broker: str, cache: str, part: ControlPart, data_root: str, nexus_template: str, pv_prefix: str
) -> dict[str, str]:
    """Return what setups are told by the environment; the cache reads none."""
    if part == "cache":
        return {}
    return {
        "TESTBEAM_CONTROL_BROKERS": f"${{{broker}.kafka}}",
        "TESTBEAM_CONTROL_CACHE": f"${{{cache}.cache}}",
        "TESTBEAM_CONTROL_DATA": data_root,
        "TESTBEAM_CONTROL_NEXUS": nexus_template,
        "TESTBEAM_CONTROL_PV_PREFIX": pv_prefix,
        **{f"TESTBEAM_CONTROL_{_TOPICS[word]}": topic for word, topic in topics.items()},
    }
