"""Examination of the wheels of EPICS base and Java for this platform."""

import platform
import sys

from testbeam.doctor.finding import Finding, good, lacking


def look() -> Finding:
    """Ask what this platform is."""
    library, version = platform.libc_ver()
    return judge(sys.platform, platform.machine(), library, version)


def judge(system: str, machine: str, library: str, version: str) -> Finding:
    """Say whether the packages on PyPI have wheels for a platform."""
    detail = f"{system} on {machine}, {library or 'an unknown C library'} {version}".strip()
    if system == "linux" and machine == "x86_64" and library == "glibc":
        return good(detail)
    return lacking(
        detail,
        "EPICS base has wheels for Linux on x86-64 with glibc alone: use such a machine, a container of one, or WSL 2 on Windows; "
        "stacks without our IOC (--external ioc=HOST) need none",
    )
