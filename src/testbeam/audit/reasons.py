"""Reasons, and no others, for which a message that was read is rightly not in the file.

Source: docs/reference/contracts/filewriter.md, "Time and order". A message older than the one before is written all the same, as it comes.
"""

from enum import StrEnum


class Reason(StrEnum):
    """Why a message is rightly not in the file; the value is the wording in results."""

    OUTSIDE_WINDOW = "outside window"
    SUPERSEDED = "older than the newest one before the start"
    SAME_TIME = "same time as the one before"
    AFTER_STOP = "came after its source had passed the stop"
    TOO_LATE = "came to Kafka after the stop and its leeway"
    BEFORE_READING = "came to Kafka before the file-writer had to read"
    TIME_ZERO = "time 0"
    WRONG_SHAPE = "array where the dataset has scalars, or of another length"
    UNKNOWN_SCHEMA = "unknown schema"
    FAILED_VERIFICATION = "failed verification"
    SOURCE_NOT_IN_JOB = "source not in the job"


CODES = (None, *Reason)
"""Reasons by number, for columns of them; 0 is none."""


def code(reason: Reason) -> int:
    """Return a reason's number."""
    return CODES.index(reason)
