"""The words of the daemon protocol: commands, events, states, levels; and which commands ask for what.

Source: docs/reference/contracts/control.md, "Daemon protocol".
"""

from enum import IntEnum

PROTOCOL_VERSION = 23


class Command(IntEnum):
    """What a client may ask, by its number on the wire."""

    START = 0x01
    SIMULATE = 0x02
    QUEUE = 0x03
    UNQUEUE = 0x04
    UPDATE = 0x05
    BREAK = 0x11
    CONTINUE = 0x12
    STOP = 0x13
    EMERGENCY = 0x14
    FINISH = 0x15
    EXEC = 0x21
    EVAL = 0x22
    WATCH = 0x31
    UNWATCH = 0x32
    GETVERSION = 0x41
    GETSTATUS = 0x42
    GETMESSAGES = 0x43
    GETSCRIPT = 0x44
    GETHISTORY = 0x45
    GETCACHEKEYS = 0x46
    GETTRACE = 0x47
    GETDATASET = 0x48
    COMPLETE = 0x51
    TRANSFER = 0x52
    DEBUG = 0x53
    DEBUGINPUT = 0x54
    EVENTMASK = 0x61
    UNLOCK = 0x62
    QUIT = 0x63
    AUTHENTICATE = 0x64
    EVENTUNMASK = 0x65
    REARRANGE = 0x66
    KEEPALIVE = 0x67


class Event(IntEnum):
    """What the daemon tells, by its number on the wire."""

    MESSAGE = 0x1001
    REQUEST = 0x1002
    PROCESSING = 0x1003
    BLOCKED = 0x1004
    STATUS = 0x1005
    WATCH = 0x1006
    MODE = 0x1007
    CACHE = 0x1008
    DATASET = 0x1009
    DATAPOINT = 0x100A
    DATACURVE = 0x100B
    LIVEDATA = 0x100D
    SIMRESULT = 0x100E
    SHOWHELP = 0x100F
    CLIENTEXEC = 0x1010
    WATCHDOG = 0x1011
    DEBUGGING = 0x1012
    PLUGPLAY = 0x1013
    SETUP = 0x1014
    DEVICE = 0x1015
    EXPERIMENT = 0x1016
    PROMPT = 0x1017
    UPDATED = 0x1018
    REARRANGED = 0x1019
    ETA = 0x101A
    SIMMESSAGE = 0x101B
    DONE = 0x101C
    PROMPTDONE = 0x101D  # of protocol 24; only for clients that ask for it by eventunmask


class ScriptStatus(IntEnum):
    """What the daemon is doing."""

    IDLE_AFTER_ERROR = -2
    IDLE = -1
    RUNNING = 0
    IN_BREAK = 1
    STOPPING = 2


class BreakLevel(IntEnum):
    """Where a break or a stop takes hold."""

    AFTER_LINE = 1
    AFTER_STEP = 2
    NOW = 3
    IMMEDIATE = 5


class UserLevel(IntEnum):
    """What a user may do."""

    GUEST = 0
    USER = 10
    ADMIN = 20


class MessageLevel(IntEnum):
    """How grave a message is: Python's levels, and two more."""

    DEBUG = 10
    INFO = 20
    ACTION = 21
    INPUT = 26
    WARNING = 30
    ERROR = 40


class EtaState(IntEnum):
    """How far the estimate of a script's end is."""

    PENDING = 1
    RUNNING = 2
    SUCCESS = 3
    FAILED = 4


NEEDS_CONTROL = frozenset(
    {
        Command.UPDATE,
        Command.BREAK,
        Command.CONTINUE,
        Command.STOP,
        Command.FINISH,
        Command.EXEC,
        Command.WATCH,
        Command.UNWATCH,
        Command.DEBUG,
        Command.DEBUGINPUT,
        Command.UNLOCK,
    }
)
NEEDS_SCRIPT = frozenset({Command.BREAK, Command.CONTINUE, Command.STOP, Command.FINISH, Command.UPDATE, Command.DEBUGINPUT})
