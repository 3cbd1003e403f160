"""The stack of instrument control: its four programs, PVs to move, forwarder and file-writer behind them, on topics of one prefix."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from testbeam.kit.stack import Stack
from testbeam.stacks.roles.broker.declaration import broker
from testbeam.stacks.roles.control.declaration import control_parts
from testbeam.stacks.roles.filewriter.declaration import filewriter
from testbeam.stacks.roles.forwarder.declaration import forwarder
from testbeam.stacks.roles.pva_server.declaration import pva_server
from testbeam.stacks.topics import Topics

PREFIX = "test_smoke"


def control_stack(
    topics: Topics | None = None,
    *,
    bootstrap: str = "",
    data_root: Path | str = "${run_dir}/data",
    setups: Iterable[Path | str] = (),
    load: Iterable[str] = (),
    passwords: Path | str = "",
    pv_delay_s: float = 0.35,
    filewriter_ini: Mapping[str, Any] | None = None,
    more: Iterable[Any] = (),
) -> Stack:
    """Return broker, PVA server, forwarder, file-writer, cache, poller, collector and daemon.

    The file-writer's files go below `data_root`, which is the daemon's, too. bootstrap: a broker that already runs. setups: folders of
    setup files (default: the demo instrument's). load: what the daemon begins with. passwords: file of users, where the setups name
    none. filewriter_ini: further settings of the file-writer. more: further services.
    """
    topics = topics or Topics(prefix=PREFIX)
    return Stack(
        broker(bootstrap=bootstrap or None),
        pva_server(delay_s=pv_delay_s),
        forwarder(
            iocs=("pva_server",),
            config_topic=topics.forwarder_commands,
            status_topic=topics.forwarder_status,
            storage_topic=topics.forwarder_storage,
            data_topic=topics.motion,
            ini={"status-interval": 1000},
        ),
        filewriter(
            pool_topic=topics.pool,
            status_topic=topics.writer_status,
            control_topic=topics.control,
            output=data_root,
            time_after_stop_s=1.0,
            ini={"make-folders": "true"} | dict(filewriter_ini or {}),
        ),
        *control_parts(
            iocs=("pva_server",),
            setups=tuple(setups),
            load=tuple(load),
            passwords=passwords,
            data_root=data_root,
            pool_topic=topics.pool,
            control_topic=topics.control,
            writer_status_topic=topics.writer_status,
            forwarder_config_topic=topics.forwarder_commands,
            forwarder_status_topic=topics.forwarder_status,
            data_topic=topics.motion,
            collector_topic=f"{topics.prefix}_nicos_devices",
            scichat_topic=f"{topics.prefix}_scichat",
        ),
        *more,
    )
