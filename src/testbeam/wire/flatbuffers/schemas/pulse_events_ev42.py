"""The ev42 message: the events of one pulse, the older form of ev44; what a facility adds is left alone. Source: ev42_events.fbs."""

from testbeam.errors import WireError
from testbeam.model.samples import PulseEvents
from testbeam.wire.flatbuffers.codec.builder import build
from testbeam.wire.flatbuffers.codec.reader import read
from testbeam.wire.flatbuffers.codec.tables import Scalar, String, Table, Vector

EV42 = Table(
    "ev42",
    (
        String("source_name", 0),
        Scalar("message_id", 1, "Q"),
        Scalar("pulse_time", 2, "Q"),
        Vector("time_of_flight", 3, "<u4"),
        Vector("detector_id", 4, "<u4"),
    ),
    created="source_name time_of_flight detector_id",
    added="detector_id time_of_flight pulse_time message_id source_name",
)


def decode_ev42(buffer: bytes) -> PulseEvents:
    """Return the events; the arrays are read-only views into the buffer.

    Raises:
        WireError: the buffer is not a valid ev42, or has not as many ids as times.
    """
    source_name, message_id, timestamp_ns, time_of_flight, detector_id = read(buffer, EV42)
    _check(len(time_of_flight), len(detector_id))
    return PulseEvents(
        source_name=source_name,
        message_id=message_id,
        timestamp_ns=timestamp_ns,
        time_of_flight_ns=time_of_flight,
        detector_id=detector_id,
    )


def encode_ev42(events: PulseEvents) -> bytes:
    """Return the message.

    Raises:
        WireError: a value does not fit its field, or there are not as many ids as times.
    """
    _check(len(events.time_of_flight_ns), len(events.detector_id))
    return build(EV42, (events.source_name, events.message_id, events.timestamp_ns, events.time_of_flight_ns, events.detector_id))


def _check(times: int, ids: int) -> None:
    if times != ids:
        raise WireError("ev42", f"{times} times of flight have {ids} detector ids; one each")
