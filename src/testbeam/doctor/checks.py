"""Table of what is examined, in the order in which it is shown."""

from functools import partial

from testbeam.doctor import installed, kafka_client, leftover_folders, machine, network, processes
from testbeam.doctor.examination import Check

_INSTALLED, _MACHINE, _NETWORK, _PROCESSES, _BESIDES = "Installed", "Machine", "Network", "Processes", "Besides"

CHECKS = (
    Check(group=_INSTALLED, name="Python", look=installed.look_at_interpreter),
    Check(group=_INSTALLED, name="platform", look=installed.look_at_platform),
    Check(group=_INSTALLED, name="core packages", look=partial(installed.look_at_packages, "")),
    Check(group=_INSTALLED, name="packages of the kit", look=partial(installed.look_at_packages, "kit")),
    Check(group=_INSTALLED, name="packages of EPICS", look=partial(installed.look_at_packages, "ioc")),
    Check(group=_INSTALLED, name="Channel Access", look=installed.look_at_channel_access),
    Check(group=_INSTALLED, name="messages to Kafka", look=installed.look_at_batch_producer),
    Check(group=_INSTALLED, name="Java", look=installed.look_at_java, timeout_s=12.0),
    Check(group=_INSTALLED, name="Kafka", look=installed.look_at_jars),
    Check(group=_INSTALLED, name="Kafka's start-up cache", look=installed.look_at_start_up_cache),
    Check(group=_MACHINE, name="disk", look=machine.look_at_disk),
    Check(group=_MACHINE, name="temporary folder", look=machine.look_at_temporary_folder),
    Check(group=_MACHINE, name="memory", look=machine.look_at_memory),
    Check(group=_MACHINE, name="open files", look=machine.look_at_open_files),
    Check(group=_MACHINE, name="clocks", look=machine.look_at_clocks),
    Check(group=_NETWORK, name="loopback addresses", look=network.look_at_addresses),
    Check(group=_NETWORK, name="Kafka client", look=kafka_client.look, timeout_s=8.0),
    Check(group=_NETWORK, name="own name", look=kafka_client.look_at_own_name),
    Check(group=_NETWORK, name="UDP on loopback", look=network.look_at_datagrams),
    Check(group=_NETWORK, name="ports of EPICS", look=network.look_at_epics_ports),
    Check(group=_NETWORK, name="sockets kept on loopback", look=network.look_at_devices),
    Check(group=_NETWORK, name="private networks", look=network.look_at_namespaces),
    Check(group=_PROCESSES, name="no orphans", look=processes.look_at_processes),
    Check(group=_PROCESSES, name="stacks of hung services", look=processes.look_at_tracing),
    Check(group=_BESIDES, name="container engine", look=processes.look_at_containers, timeout_s=12.0),
    Check(group=_BESIDES, name="leftover folders", look=leftover_folders.look),
)
