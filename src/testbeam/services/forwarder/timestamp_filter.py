"""Timestamp filter: which EPICS times may go out. Source: docs/reference/contracts/forwarder.md, "Messages"."""

from dataclasses import dataclass

from testbeam.model.time import EPICS_EPOCH_NS, NS_PER_S

NEVER_NS = -1  # before anything was sent
TOO_FAR_AHEAD = "more than 10 min ahead"
OLDER_THAN_SENT = "older than the one sent before"
FIRST_TOO_OLD = "first value too old"
BEFORE_1970 = "before 1970"

_NEVER_PROCESSED_NS = EPICS_EPOCH_NS + 1  # just after EPICS' epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class TimestampFilter:
    """Limits to the EPICS time of an update, in ns; without `first_ns` a PV's first update may be of any age."""

    ahead_ns: int = 600 * NS_PER_S
    first_ns: int | None = None

    def refusal(self, timestamp_ns: int, last_ns: int, now_ns: int) -> str | None:
        """Return why an update must not go out after one of `last_ns`, or None; an equal time may."""
        if timestamp_ns > now_ns + self.ahead_ns:
            return TOO_FAR_AHEAD
        if timestamp_ns < 0:
            return BEFORE_1970
        if timestamp_ns < last_ns:
            return OLDER_THAN_SENT
        if last_ns == NEVER_NS and self.first_ns is not None and timestamp_ns < now_ns - self.first_ns:
            return FIRST_TOO_OLD
        return None

    def of_connection(self, timestamp_ns: int, last_ns: int, now_ns: int) -> int:
        """Return the time to give a connection change that must not be lost: its own, else now.

        A record that comes back with its IOC may bear an older time than the loss of its connection, and one that was never
        processed bears that of 1990; readers would take such a CONNECTED for older than the DISCONNECTED and drop it.
        """
        is_fit = max(last_ns, _NEVER_PROCESSED_NS) <= timestamp_ns <= now_ns + self.ahead_ns
        return timestamp_ns if is_fit else max(now_ns, last_ns)
