"""List of the things that are examined, in their order."""

from functools import partial

from testbeam.doctor import (
    channel_access,
    clocks,
    containers,
    devices,
    disk,
    interpreter,
    java,
    kafka,
    loopback,
    memory,
    namespaces,
    open_files,
    packages,
    platform_wheels,
    processes,
    tracing,
)
from testbeam.doctor.examination import Check

_INSTALLED, _MACHINE, _NETWORK, _PROCESSES, _BESIDES = "Installed", "Machine", "Network", "Processes", "Besides"

CHECKS = (
    Check(group=_INSTALLED, name="Python", look=interpreter.look),
    Check(group=_INSTALLED, name="platform", look=platform_wheels.look),
    Check(group=_INSTALLED, name="core packages", look=partial(packages.look, "")),
    Check(group=_INSTALLED, name="packages of the kit", look=partial(packages.look, "kit")),
    Check(group=_INSTALLED, name="packages of EPICS", look=partial(packages.look, "ioc")),
    Check(group=_INSTALLED, name="Channel Access", look=channel_access.look),
    Check(group=_INSTALLED, name="Java", look=java.look, timeout_s=12.0),
    Check(group=_INSTALLED, name="Kafka", look=kafka.look_at_jars),
    Check(group=_INSTALLED, name="Kafka's start-up cache", look=kafka.look_at_start_up_cache),
    Check(group=_MACHINE, name="disk", look=disk.look),
    Check(group=_MACHINE, name="memory", look=memory.look),
    Check(group=_MACHINE, name="open files", look=open_files.look),
    Check(group=_MACHINE, name="clocks", look=clocks.look),
    Check(group=_NETWORK, name="loopback addresses", look=loopback.look_at_addresses),
    Check(group=_NETWORK, name="UDP on loopback", look=loopback.look_at_datagrams),
    Check(group=_NETWORK, name="ports of EPICS", look=loopback.look_at_epics_ports),
    Check(group=_NETWORK, name="sockets kept on loopback", look=devices.look),
    Check(group=_NETWORK, name="private networks", look=namespaces.look),
    Check(group=_PROCESSES, name="no orphans", look=processes.look),
    Check(group=_PROCESSES, name="stacks of hung services", look=tracing.look),
    Check(group=_BESIDES, name="container engine", look=containers.look, timeout_s=12.0),
)
