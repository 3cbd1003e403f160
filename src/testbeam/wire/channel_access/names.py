"""EPICS' own words for the numbers that Channel Access sends: alarm status, and why a request failed.

Source: menuAlarmStat.dbd and caerr.h of EPICS base 7.
"""

ALARM_STATUS = (
    "NO_ALARM",
    "READ",
    "WRITE",
    "HIHI",
    "HIGH",
    "LOLO",
    "LOW",
    "STATE",
    "COS",
    "COMM",
    "TIMEOUT",
    "HWLIMIT",
    "CALC",
    "SCAN",
    "LINK",
    "SOFT",
    "BAD_SUB",
    "UDF",
    "DISABLE",
    "SIMM",
    "READ_ACCESS",
    "WRITE_ACCESS",
)
NORMAL = 1
_REASONS = {
    48: "the server has no memory left",
    72: "the value is larger than the server sends or takes",
    114: "the type can't be converted",
    152: "the record could not be read",
    160: "the record did not take the value",
    168: "the string is too long",
    176: "there are more elements than the record holds",
    192: "the channel is disconnected",
    368: "reading is not allowed",
    376: "writing is not allowed",
    410: "the server does not know the channel",
}


def alarm_status(number: int) -> str:
    """Return the word for an alarm status; an unknown one keeps its number."""
    return ALARM_STATUS[number] if 0 <= number < len(ALARM_STATUS) else f"STATUS {number}"


def reason(status: int) -> str:
    """Return what a status other than NORMAL means."""
    return _REASONS.get(status, f"CA status {status}")
