"""Waiting until devices have arrived: told by their changes, looked at every 50 ms besides, as an event may be lost.

A wait is open for breaks and stops. In error every device is waited for first, so that nothing moves on unwatched.
"""

from collections.abc import Iterable
from typing import Protocol

from testbeam.errors import DeviceError
from testbeam.services.control.devices.host import DeviceHost
from testbeam.wire.nicos.daemon_words import BreakLevel

_LOOK_S = 0.05


class Awaited(Protocol):
    """Anything that comes to an end."""

    def is_completed(self) -> bool:
        """Tell whether it has; raise DeviceError where that is not as it should be."""


def wait_for(host: DeviceHost, devices: Iterable["Awaited"]) -> None:
    """Wait until all have come to an end.

    Raises:
        DeviceError: one did not reach its target; of several, all are named.
    """
    if host.simulated:
        return
    waiting, problems = list(devices), []
    while True:
        host.woken.clear()
        for device in tuple(waiting):
            try:
                done = device.is_completed()
            except DeviceError as error:
                problems.append(str(error))
                done = True
            if done:
                waiting.remove(device)
        if not waiting:
            break
        host.breakpoint(BreakLevel.IMMEDIATE)
        host.woken.wait(_LOOK_S)
    if problems:
        raise DeviceError("; ".join(problems))
