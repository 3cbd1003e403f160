"""A whole neutron beamline's software on one machine, and the tests that prove it.

The public names; none is imported before it is used. More: `testbeam.faults`, `.probes`, `.devices`, `.clients`, `.audit`, `.nexus`,
`.kafkatools`.
Listed with their signatures in docs/reference/python-api.md.
"""

from testbeam._lazy import attach
from testbeam._version import __version__ as __version__

TYPE_CHECKING = False  # as typing's, which would be 8 ms of every start
if TYPE_CHECKING:
    from testbeam.errors import AuditError as AuditError
    from testbeam.errors import ControlError as ControlError
    from testbeam.errors import ConversionError as ConversionError
    from testbeam.errors import DeviceError as DeviceError
    from testbeam.errors import FetchError as FetchError
    from testbeam.errors import JobFailed as JobFailed
    from testbeam.errors import JobRefused as JobRefused
    from testbeam.errors import LimitError as LimitError
    from testbeam.errors import NexusError as NexusError
    from testbeam.errors import NotReady as NotReady
    from testbeam.errors import PortTaken as PortTaken
    from testbeam.errors import ProtocolError as ProtocolError
    from testbeam.errors import PvMissing as PvMissing
    from testbeam.errors import RecordingError as RecordingError
    from testbeam.errors import ScriptFailed as ScriptFailed
    from testbeam.errors import ServiceDied as ServiceDied
    from testbeam.errors import SettingsError as SettingsError
    from testbeam.errors import SetupError as SetupError
    from testbeam.errors import StackError as StackError
    from testbeam.errors import TestbeamError as TestbeamError
    from testbeam.errors import TopicMissing as TopicMissing
    from testbeam.errors import TransportError as TransportError
    from testbeam.errors import WaitTimeout as WaitTimeout
    from testbeam.errors import WireError as WireError
    from testbeam.errors import WorkflowError as WorkflowError
    from testbeam.kit.handle import Handle as Handle
    from testbeam.kit.run import Run as Run
    from testbeam.kit.spec import Port as Port
    from testbeam.kit.spec import Probe as Probe
    from testbeam.kit.spec import ProbeResult as ProbeResult
    from testbeam.kit.spec import Service as Service
    from testbeam.kit.spec import ServiceView as ServiceView
    from testbeam.kit.stack import Stack as Stack
    from testbeam.stacks import reference as reference
    from testbeam.stacks.control import control_stack as control_stack
    from testbeam.stacks.replacing import replaced as replaced
    from testbeam.stacks.roles.broker.declaration import BrokerHandle as BrokerHandle
    from testbeam.stacks.roles.broker.declaration import TopicSpec as TopicSpec
    from testbeam.stacks.roles.broker.declaration import broker as broker
    from testbeam.stacks.roles.control.declaration import ControlHandle as ControlHandle
    from testbeam.stacks.roles.control.declaration import control as control
    from testbeam.stacks.roles.control.declaration import control_parts as control_parts
    from testbeam.stacks.roles.event_source.declaration import event_source as event_source
    from testbeam.stacks.roles.fakes.declaration import fake_detectors as fake_detectors
    from testbeam.stacks.roles.fakes.declaration import fake_logdata as fake_logdata
    from testbeam.stacks.roles.fakes.declaration import fake_monitors as fake_monitors
    from testbeam.stacks.roles.filewriter.declaration import FileWriterHandle as FileWriterHandle
    from testbeam.stacks.roles.filewriter.declaration import filewriter as filewriter
    from testbeam.stacks.roles.forwarder.declaration import ForwarderHandle as ForwarderHandle
    from testbeam.stacks.roles.forwarder.declaration import forwarder as forwarder
    from testbeam.stacks.roles.ioc.declaration import IocHandle as IocHandle
    from testbeam.stacks.roles.ioc.declaration import ioc as ioc
    from testbeam.stacks.roles.livedata.declaration import LivedataHandle as LivedataHandle
    from testbeam.stacks.roles.livedata.declaration import livedata as livedata
    from testbeam.stacks.roles.pva_server.declaration import PvaServerHandle as PvaServerHandle
    from testbeam.stacks.roles.pva_server.declaration import pva_server as pva_server
    from testbeam.stacks.roles.role import Replacement as Replacement
    from testbeam.stacks.roles.role import Role as Role
    from testbeam.stacks.toml.file import Declaration as Declaration
    from testbeam.stacks.toml.file import load as load
    from testbeam.stacks.topics import Topics as Topics

_NAMES = {
    "testbeam.kit.spec": ("Port", "Probe", "ProbeResult", "Service", "ServiceView"),
    "testbeam.kit.stack": ("Stack",),
    "testbeam.kit.handle": ("Handle",),
    "testbeam.kit.run": ("Run",),
    "testbeam.stacks.reference": (),
    "testbeam.stacks.replacing": ("replaced",),
    "testbeam.stacks.roles.role": ("Replacement", "Role"),
    "testbeam.stacks.roles.broker.declaration": ("BrokerHandle", "TopicSpec", "broker"),
    "testbeam.stacks.roles.ioc.declaration": ("IocHandle", "ioc"),
    "testbeam.stacks.roles.forwarder.declaration": ("ForwarderHandle", "forwarder"),
    "testbeam.stacks.roles.filewriter.declaration": ("FileWriterHandle", "filewriter"),
    "testbeam.stacks.roles.event_source.declaration": ("event_source",),
    "testbeam.stacks.roles.control.declaration": ("ControlHandle", "control", "control_parts"),
    "testbeam.stacks.roles.pva_server.declaration": ("PvaServerHandle", "pva_server"),
    "testbeam.stacks.control": ("control_stack",),
    "testbeam.stacks.toml.file": ("Declaration", "load"),
    "testbeam.stacks.topics": ("Topics",),
    "testbeam.stacks.roles.livedata.declaration": ("LivedataHandle", "livedata"),
    "testbeam.stacks.roles.fakes.declaration": ("fake_detectors", "fake_logdata", "fake_monitors"),
    "testbeam.errors": (
        "AuditError",
        "ControlError",
        "ConversionError",
        "DeviceError",
        "FetchError",
        "JobFailed",
        "JobRefused",
        "LimitError",
        "NexusError",
        "NotReady",
        "PortTaken",
        "ProtocolError",
        "PvMissing",
        "RecordingError",
        "ScriptFailed",
        "ServiceDied",
        "SettingsError",
        "SetupError",
        "StackError",
        "TestbeamError",
        "TopicMissing",
        "TransportError",
        "WaitTimeout",
        "WireError",
        "WorkflowError",
    ),
}

__getattr__, __dir__, __all__ = attach(__name__, _NAMES)
