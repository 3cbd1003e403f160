"""Clients that watch PVs, by protocol. Each is imported with its first PV: most forwarders need but one of them."""

import time

from testbeam.model.forwarding import Protocol
from testbeam.transport.epics_libraries import folder
from testbeam.transport.monitors.protocols import Clock, Monitors
from testbeam.transport.pva.p4p_import import without_setuptools


def open_monitors(protocol: Protocol, *, fake_period_ms: int = 1000, fake_seed: int = 0, clock: Clock = time.time_ns) -> Monitors:
    """Return a new client of `protocol`, configured by the EPICS_* variables of the process.

    Raises:
        StackError: the EPICS libraries are not installed; names the extra and the platforms that have wheels.
        TransportError: Channel Access could not start.
    """
    if protocol is Protocol.PVA:
        folder("p4p")
        with without_setuptools():
            from testbeam.transport.pva.monitor import PvaMonitors

        return PvaMonitors(clock)
    if protocol is Protocol.CA:
        from testbeam.transport.ca.monitor import CaMonitors

        return CaMonitors(clock)
    from testbeam.transport.monitors.fake import FakeMonitors

    return FakeMonitors(period_ms=fake_period_ms, seed=fake_seed, clock=clock)
