"""States of devices, by the field's numbers. Source: docs/reference/contracts/control.md, "Commands and devices"."""

from enum import IntEnum

Status = tuple[int, str]


class State(IntEnum):
    """A device's state; a status is a state and a text."""

    OK = 200
    WARN = 210
    BUSY = 220
    NOTREACHED = 230
    DISABLED = 235
    ERROR = 240
    UNKNOWN = 999


def worst(*statuses: Status) -> Status:
    """Return the worst of several: an error above a warning above a motion, with all their texts."""
    if not statuses:
        return State.OK, ""
    state = max(one[0] for one in statuses)
    return state, ", ".join(dict.fromkeys(text for found, text in statuses if text and found == state))
