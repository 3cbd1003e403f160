"""Which client watches a PV of a given protocol? Each is imported when its first PV is: together they cost 0.3 s of start-up."""

import time

from testbeam.model import Protocol
from testbeam.transport.monitors.seam import Clock, Monitors


def open_monitors(protocol: Protocol, *, fake_period_ms: int = 1000, fake_seed: int = 0, clock: Clock = time.time_ns) -> Monitors:
    """Return a new client of `protocol`, configured by the EPICS_* variables of the process.

    Raises:
        TransportError: the EPICS libraries are not installed; names the extra.
    """
    if protocol is Protocol.PVA:
        from testbeam.transport.monitors.pva import PvaMonitors

        return PvaMonitors(clock)
    if protocol is Protocol.CA:
        from testbeam.transport.monitors.ca import CaMonitors

        return CaMonitors(clock)
    from testbeam.transport.monitors.fake import FakeMonitors

    return FakeMonitors(period_ms=fake_period_ms, seed=fake_seed, clock=clock)
