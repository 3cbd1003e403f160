"""Clients: what a test or a user holds in hand of topics, PVs, writer jobs and forwarders. Lazy, as `testbeam` is."""

from testbeam._lazy import attach

TYPE_CHECKING = False  # as typing's, which would be 8 ms of every start
if TYPE_CHECKING:
    from testbeam.clients.control import Client as Client
    from testbeam.clients.control import DeviceReference as DeviceReference
    from testbeam.clients.file_writer import FileWriterClient as FileWriterClient
    from testbeam.clients.file_writer import Job as Job
    from testbeam.clients.forwarder import ForwarderClient as ForwarderClient
    from testbeam.clients.forwarder import ForwarderStatus as ForwarderStatus
    from testbeam.clients.pvs import PvHandle as PvHandle
    from testbeam.clients.pvs import open_client as open_client
    from testbeam.clients.records import Record as Record
    from testbeam.clients.topics import Mark as Mark
    from testbeam.clients.topics import Tail as Tail
    from testbeam.clients.topics import TopicHandle as TopicHandle
    from testbeam.clients.waiting import collect_updates as collect_updates
    from testbeam.clients.waiting import retry as retry
    from testbeam.clients.waiting import subtest as subtest
    from testbeam.clients.waiting import wait_for_condition as wait_for_condition
    from testbeam.model.forwarding import Protocol as Protocol
    from testbeam.model.forwarding import StreamSpec as StreamSpec
    from testbeam.model.samples import Alarm as Alarm
    from testbeam.model.samples import ConnectionChange as ConnectionChange
    from testbeam.model.samples import Events as Events
    from testbeam.model.samples import LogValue as LogValue
    from testbeam.tracking.writer_job import JobState as JobState
    from testbeam.transport.kafka.client import Kafka as Kafka

_NAMES = {
    "testbeam.clients.control": (
        "Client",
        "DeviceReference",
    ),
    "testbeam.clients.file_writer": (
        "FileWriterClient",
        "Job",
    ),
    "testbeam.clients.forwarder": (
        "ForwarderClient",
        "ForwarderStatus",
    ),
    "testbeam.clients.pvs": (
        "PvHandle",
        "open_client",
    ),
    "testbeam.clients.records": ("Record",),
    "testbeam.clients.topics": (
        "Mark",
        "Tail",
        "TopicHandle",
    ),
    "testbeam.clients.waiting": (
        "collect_updates",
        "retry",
        "subtest",
        "wait_for_condition",
    ),
    "testbeam.model.forwarding": (
        "Protocol",
        "StreamSpec",
    ),
    "testbeam.model.samples": (
        "Alarm",
        "ConnectionChange",
        "Events",
        "LogValue",
    ),
    "testbeam.tracking.writer_job": ("JobState",),
    "testbeam.transport.kafka.client": ("Kafka",),
}

__getattr__, __dir__, __all__ = attach(__name__, _NAMES)
