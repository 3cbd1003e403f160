"""Readiness of descriptors, in a process with any number of them: `select.select` ends at 1,024."""

import math
import select
from collections.abc import Iterable

from testbeam.model.time import MS_PER_S

_READABLE = select.POLLIN | select.POLLHUP | select.POLLERR | select.POLLNVAL
_WRITABLE = select.POLLOUT | select.POLLHUP | select.POLLERR | select.POLLNVAL


def ready(to_read: Iterable[int], to_write: Iterable[int] = (), timeout_s: float | None = None) -> tuple[set[int], set[int]]:
    """Return the descriptors that can be read and those that can be written without waiting; an end or an error is both.

    timeout_s: how long to wait for the first, None for ever, 0 not at all.
    """
    wanted: dict[int, int] = dict.fromkeys(to_read, select.POLLIN)
    for place in to_write:
        wanted[place] = wanted.get(place, 0) | select.POLLOUT
    poll = select.poll()
    for place, events in wanted.items():
        poll.register(place, events)
    found = poll.poll(None if timeout_s is None else math.ceil(max(timeout_s, 0) * MS_PER_S))
    can_read = {place for place, events in found if wanted[place] & select.POLLIN and events & _READABLE}
    return can_read, {place for place, events in found if wanted[place] & select.POLLOUT and events & _WRITABLE}
