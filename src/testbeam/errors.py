"""The whole tree of errors that testbeam raises on purpose.

::

    TestbeamError
    ├── SettingsError      an option, variable or key has a value that can't be used
    ├── WireError          bytes are not a valid message of their schema
    ├── RecordingError     a recording is damaged, or is none, or can't be written
    ├── NexusError         a nexus_structure or a NeXus file is not what its grammar asks for
    ├── TransportError     a broker, PV or socket did not do what was asked in time
    │   ├── TopicMissing   a topic is not on the broker (topics are explicit: a typo fails)
    │   └── PvMissing      an IOC runs and has no such PV
    ├── StackError         a stack can't be declared or started as written
    │   ├── NotReady       a service did not become ready within its deadline
    │   ├── ServiceDied    a service ended although it should be running
    │   └── PortTaken      a port or address is held by somebody else
    ├── JobRefused         a file-writer refused a command, with its reason
    ├── JobFailed          a file-writer finished a file with an error
    ├── WorkflowError      a live-data workflow can't use the data it was given
    ├── FetchError         a download for the cache failed, with the ways out
    ├── AuditError         what should be in the file can't be computed
    ├── ProtocolError      a StreamDevice protocol can't be used; shows file, line and the place in it
    ├── ConversionError    a value can't be written in a StreamDevice format
    ├── ControlError       instrument control can't do what a user or a script asks for
    │   ├── SetupError     a setup can't be read or loaded; names file and line
    │   ├── DeviceError    a device can't be made, read or moved, or did not come where it was sent
    │   │   └── LimitError a target is outside a device's limits: nothing was moved
    │   └── ScriptFailed   a script on the daemon ended by an error
    └── WaitTimeout        a condition did not come true in time; says what was last seen

Every message names the thing, the place and the next step.
"""

TYPE_CHECKING = False  # the module of that name costs a broker's start 5 ms
if TYPE_CHECKING:
    from pathlib import Path


class TestbeamError(Exception):
    """Base of all errors raised on purpose; `except TestbeamError` catches every one."""

    __test__ = False  # pytest collects classes by the name Test*


class SettingsError(TestbeamError):
    """An option has a value that can't be used; a value of None: it was left out and can't be guessed."""

    def __init__(self, option: str, value: object, expected: str) -> None:
        wrong = f"{option} is missing" if value is None else f"{option}: {value!r} can't be used"
        super().__init__(f"{wrong}; give {expected}")
        self.option = option
        self.value = value


class WireError(TestbeamError):
    """Bytes are not a valid message of their schema."""

    def __init__(self, schema: str, problem: str) -> None:
        super().__init__(f"{schema}: {problem}")
        self.schema = schema
        self.problem = problem


class RecordingError(TestbeamError):
    """A recording is damaged, or is none, or can't be written; `path` is the file, and the problem names the byte where it can."""

    def __init__(self, path: object, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem


class NexusError(TestbeamError):
    """A nexus_structure or a NeXus file breaks its grammar; `path` is the place within it."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem


class TransportError(TestbeamError):
    """A broker, PV or socket did not do what was asked in time."""


class TopicMissing(TransportError):
    """A topic is not on the broker."""

    def __init__(self, topic: str, bootstrap: str, near: tuple[str, ...] = ()) -> None:
        hint = f"did you mean {', '.join(near)}?" if near else "create it, or declare it in the stack's topics"
        super().__init__(f"topic {topic!r} is not on {bootstrap}; {hint}")
        self.topic = topic


class PvMissing(TransportError):
    """A server is there and has no such PV; `place` says which one was asked."""

    def __init__(self, pv: str, place: str, near: tuple[str, ...] = ()) -> None:
        hint = f"did you mean {', '.join(near)}?" if near else "check the name, its prefix and the macros of its database"
        super().__init__(f"PV {pv!r} is not on {place}; {hint}")
        self.pv = pv
        self.place = place


class StackError(TestbeamError):
    """A stack can't be declared or started as written; `run_folder` is where the journal and logs of a start that failed are."""

    run_folder: "Path | None" = None


class NotReady(StackError):
    """A service did not become ready within its deadline."""


class ServiceDied(StackError):
    """A service ended although it should be running."""


class PortTaken(StackError):
    """A port or address is held by somebody else."""


class JobRefused(TestbeamError):
    """A file-writer refused a command; the message is its reason."""


class JobFailed(TestbeamError):
    """A file-writer finished a file with an error; the message is what it said."""


class WorkflowError(TestbeamError):
    """A live-data workflow can't use the data it was given; the message says why."""


class FetchError(TestbeamError):
    """A download for the cache failed; the message names the ways out."""


class AuditError(TestbeamError):
    """What should be in the file can't be computed."""


class ProtocolError(TestbeamError):
    """A StreamDevice protocol can't be used; the message shows file, line and, under the line, the place in it."""

    def __init__(self, file: str, line: int, problem: str, marked: str = "") -> None:
        super().__init__(f"{file}, line {line}: {problem}" + (f"\n{marked}" if marked else ""))
        self.file = file
        self.line = line
        self.problem = problem
        self.marked = marked


class ConversionError(TestbeamError):
    """A value can't be written in a StreamDevice format."""


class ControlError(TestbeamError):
    """Instrument control can't do what a user or a script asks for."""


class SetupError(ControlError):
    """A setup can't be read or loaded; the message names file and line."""


class DeviceError(ControlError):
    """A device can't be made, read or moved, or did not come where it was sent."""


class LimitError(DeviceError):
    """A target is outside a device's limits; nothing was moved."""


class ScriptFailed(ControlError):
    """A script on the daemon ended by an error; the message is what the daemon said of it."""


class WaitTimeout(TestbeamError, TimeoutError):
    """A condition did not come true in time; the message says what was last seen."""
