"""Public face of readiness probes: each asks a service in its own protocol; `all_of` joins them. Lazy, as `testbeam` is."""

from testbeam._lazy import attach

TYPE_CHECKING = False  # as typing's, which would be 8 ms of every start
if TYPE_CHECKING:
    from testbeam.kit.probes.all_of import AllOf as AllOf
    from testbeam.kit.probes.all_of import all_of as all_of
    from testbeam.kit.probes.command import CommandSucceeds as CommandSucceeds
    from testbeam.kit.probes.file import FileExists as FileExists
    from testbeam.kit.probes.http import HttpAnswers as HttpAnswers
    from testbeam.kit.probes.listening import PortListens as PortListens
    from testbeam.kit.probes.log_line import LogLine as LogLine
    from testbeam.kit.probes.process import ProcessAlive as ProcessAlive
    from testbeam.stacks.probes.ca_answers import CaAnswers as CaAnswers
    from testbeam.stacks.probes.heartbeat import Heartbeat as Heartbeat
    from testbeam.stacks.probes.topic_grows import TopicGrows as TopicGrows
    from testbeam.stacks.roles.broker.declaration import MetadataAnswers as MetadataAnswers

_NAMES = {
    "testbeam.kit.probes.all_of": (
        "AllOf",
        "all_of",
    ),
    "testbeam.kit.probes.command": ("CommandSucceeds",),
    "testbeam.kit.probes.file": ("FileExists",),
    "testbeam.kit.probes.http": ("HttpAnswers",),
    "testbeam.kit.probes.listening": ("PortListens",),
    "testbeam.kit.probes.log_line": ("LogLine",),
    "testbeam.kit.probes.process": ("ProcessAlive",),
    "testbeam.stacks.probes.ca_answers": ("CaAnswers",),
    "testbeam.stacks.probes.heartbeat": ("Heartbeat",),
    "testbeam.stacks.probes.topic_grows": ("TopicGrows",),
    "testbeam.stacks.roles.broker.declaration": ("MetadataAnswers",),
}

__getattr__, __dir__, __all__ = attach(__name__, _NAMES)
