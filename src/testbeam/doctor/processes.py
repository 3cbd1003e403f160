"""Examination of the guard's hold on every process, so that none is left whatever happens."""

import os
import subprocess
import sys
from pathlib import Path

from testbeam.doctor.finding import Finding, good, lacking

_REMEDY = "use a Linux from 5.4 on, and a container that does not forbid prctl and pidfd_open (its seccomp profile)"
_PROGRAM = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(36, 1, 0, 0, 0) != 0:
    print("PR_SET_CHILD_SUBREAPER is refused:", os.strerror(ctypes.get_errno()))
elif libc.prctl(1, 0, 0, 0, 0) != 0:
    print("PR_SET_PDEATHSIG is refused:", os.strerror(ctypes.get_errno()))
"""


def look() -> Finding:
    """Try each of the kernel's means; what would change this process is tried in another."""
    trouble = _subreaper() or _pidfd() or _children()
    return lacking(trouble, _REMEDY) if trouble else good("child subreaper, parent-death signal, pidfd and /proc/PID/task/*/children work")


def _subreaper() -> str:
    done = subprocess.run([sys.executable, "-I", "-S", "-c", _PROGRAM], capture_output=True, text=True, timeout=4.0, check=False)
    return done.stdout.strip() or (f"Python ended with code {done.returncode}: {done.stderr.strip()[-200:]}" if done.returncode else "")


def _pidfd() -> str:
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (OSError, AttributeError) as error:
        return f"pidfd_open is refused: {error}"
    return ""


def _children() -> str:
    path = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    try:
        path.read_bytes()
    except OSError as error:
        return f"{path} can't be read: {error.strerror}"
    return ""
