"""Topics as a whole: record and replay them, and measure what comes on them. Lazy, as `testbeam` is."""

from testbeam._lazy import attach

TYPE_CHECKING = False  # as typing's, which would be 8 ms of every start
if TYPE_CHECKING:
    from testbeam.kafkatools.measuring import Lag as Lag
    from testbeam.kafkatools.measuring import Latency as Latency
    from testbeam.kafkatools.measuring import Measurement as Measurement
    from testbeam.kafkatools.measuring import measure as measure
    from testbeam.kafkatools.recording import Recorded as Recorded
    from testbeam.kafkatools.recording import record as record
    from testbeam.kafkatools.recording_span import Span as Span
    from testbeam.kafkatools.replay_names import Names as Names
    from testbeam.kafkatools.replaying import Replayed as Replayed
    from testbeam.kafkatools.replaying import replay as replay

_NAMES = {
    "testbeam.kafkatools.measuring": (
        "Lag",
        "Latency",
        "Measurement",
        "measure",
    ),
    "testbeam.kafkatools.recording": (
        "Recorded",
        "record",
    ),
    "testbeam.kafkatools.recording_span": ("Span",),
    "testbeam.kafkatools.replaying": (
        "Replayed",
        "replay",
    ),
    "testbeam.kafkatools.replay_names": ("Names",),
}

__getattr__, __dir__, __all__ = attach(__name__, _NAMES)
