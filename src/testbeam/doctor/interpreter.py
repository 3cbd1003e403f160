"""Examination of the Python interpreter."""

import platform
import sys

from testbeam.doctor.finding import Finding, good, lacking

NEEDED = (3, 11)


def look() -> Finding:
    """Compare its version."""
    return judge(sys.version_info[:2], platform.python_version(), sys.executable)


def judge(version: tuple[int, ...], text: str, executable: str) -> Finding:
    """Say whether a version will do."""
    detail = f"Python {text} at {executable}"
    if version >= NEEDED:
        return good(detail)
    return lacking(detail, f"make the virtual environment with Python {'.'.join(map(str, NEEDED))} or newer: python3.12 -m venv .venv")
