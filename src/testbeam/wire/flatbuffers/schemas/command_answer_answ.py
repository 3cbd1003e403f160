"""The answ message: how a file-writer took a command.

Source: answ_action_response.fbs.
"""

from testbeam.model.runs import ActionOutcome, ActionType, CommandAnswer
from testbeam.wire.flatbuffers.codec.builder import build
from testbeam.wire.flatbuffers.codec.enums import member
from testbeam.wire.flatbuffers.codec.reader import read
from testbeam.wire.flatbuffers.codec.tables import Scalar, String, Table

ANSW = Table(
    "answ",
    (
        String("service_id", 0),
        String("job_id", 1),
        Scalar("action", 2, "b"),
        Scalar("outcome", 3, "b"),
        Scalar("status_code", 4, "i"),
        Scalar("stop_time", 5, "Q"),
        String("message", 6),
        String("command_id", 7),
    ),
    created="service_id job_id message command_id",
    added="service_id job_id action outcome message command_id status_code stop_time",
)


def decode_answ(buffer: bytes) -> CommandAnswer:
    """Return the answer.

    Raises:
        WireError: the buffer is not a valid answ.
    """
    service_id, job_id, action, outcome, status_code, stop_time_ms, message, command_id = read(buffer, ANSW)
    return CommandAnswer(
        service_id=service_id,
        job_id=job_id,
        command_id=command_id,
        action=member("answ", ActionType, action),
        outcome=member("answ", ActionOutcome, outcome),
        message=message,
        status_code=status_code,
        stop_time_ms=stop_time_ms,
    )


def encode_answ(answer: CommandAnswer) -> bytes:
    """Return the message.

    Raises:
        WireError: a value does not fit its field.
    """
    return build(
        ANSW,
        (
            answer.service_id,
            answer.job_id,
            answer.action,
            answer.outcome,
            answer.status_code,
            answer.stop_time_ms,
            answer.message,
            answer.command_id,
        ),
    )
