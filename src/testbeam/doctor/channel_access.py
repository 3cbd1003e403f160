"""Receiver of Channel Access updates: the ring in native code, or ctypes call-backs in its place."""

import os

from testbeam.doctor.finding import Finding, good, lacking, limited
from testbeam.transport.ca import ring


def look() -> Finding:
    """Look for the library that the package brings."""
    return judge(ring.is_available(), ring.expected_here(), bool(os.environ.get(ring.WITHOUT_VARIABLE)))


def judge(available: bool, expected: bool, without: bool) -> Finding:
    """Say by what the forwarder receives updates here, and whether it should be otherwise."""
    if without:
        return limited(f"ctypes call-backs, as {ring.WITHOUT_VARIABLE} asks", f"unset {ring.WITHOUT_VARIABLE}: updates are lost")
    if available:
        return good(f"native ring, {ring.LIBRARY.name}")
    if expected:
        return lacking(f"{ring.LIBRARY} is missing", "install testbeam anew: the ring is built with it (hatch_build.py)")
    return limited("ctypes call-backs: there is no native ring for this platform", "beyond some 20,000 updates/s some are lost")
