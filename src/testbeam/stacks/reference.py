"""The reference stack: ours in every role, as a beamline has them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from testbeam.kit.stack import Stack
from testbeam.stacks.control import control_stack as controlled
from testbeam.stacks.roles.broker.declaration import broker
from testbeam.stacks.roles.event_source.declaration import event_source
from testbeam.stacks.roles.filewriter.declaration import filewriter
from testbeam.stacks.roles.forwarder.declaration import forwarder
from testbeam.stacks.roles.ioc.declaration import ioc
from testbeam.stacks.roles.livedata.declaration import livedata
from testbeam.stacks.topics import Topics

__all__ = ["TIME_AFTER_STOP_S", "controlled", "full_chain", "light_chain"]

TIME_AFTER_STOP_S = 1.0  # how long the file-writer waits for late data


def light_chain(
    topics: Topics | None = None,
    *,
    prefix: str = "",
    output: Path | str = "${dir}",
    bootstrap: str = "",
    client_options: Mapping[str, str] | None = None,
    faultable: bool = False,
    events_per_pulse: int = 1000,
    seed: int = 0,
    live: bool = False,
) -> Stack:
    """Return broker, IOC with the demo records, forwarder, file-writer and event source, on the topics of one instrument.

    prefix: what PV names begin with. output: the folder of the files (default: the file-writer's own). bootstrap: a broker
    that already runs, in place of ours; client_options: the log-in and certificates that it asks for. faultable: the services reach
    our broker by a link that can be broken, `run["broker"].link(…)`; what is read through handles goes there directly. live: with live
    data of the panel and the monitor.
    """
    topics = topics or Topics()
    broker_endpoint = "proxied" if faultable else "kafka"
    return Stack(
        broker(bootstrap=bootstrap or None, client_options=client_options, faultable=faultable),
        ioc(prefix=prefix, skip_init_sleep=True),
        forwarder(
            broker_endpoint=broker_endpoint,
            config_topic=topics.forwarder_commands,
            status_topic=topics.forwarder_status,
            storage_topic=topics.forwarder_storage,
            data_topic=topics.motion,
        ),
        filewriter(
            broker_endpoint=broker_endpoint,
            pool_topic=topics.pool,
            status_topic=topics.writer_status,
            control_topic=topics.control,
            output=output,
            time_after_stop_s=TIME_AFTER_STOP_S,
        ),
        event_source(
            broker_endpoint=broker_endpoint,
            detector_topic=topics.detector,
            monitor_topic=topics.beam_monitor,
            status_topic=topics.source_status,
            events_per_pulse=events_per_pulse,
            monitor_events_per_pulse=max(events_per_pulse // 10, 1),
            seed=seed,
        ),
        *[livedata(broker_endpoint=broker_endpoint, commands_topic=f"{topics.prefix}_livedata_commands")] * live,
    )


def full_chain(topics: Topics | None = None, **further: Any) -> Stack:
    """Return the light chain with live data of the panel and the monitor; further: as of `light_chain`."""
    return light_chain(topics, live=True, **further)
