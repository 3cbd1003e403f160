"""Examination of the memory for a stack."""

import re
from pathlib import Path

from testbeam.doctor.finding import Finding, good, lacking, limited

ENOUGH_MB = 1500.0
LEAST_MB = 600.0  # the reference stack, of which the broker takes 250 MB
_LIMIT = Path("/sys/fs/cgroup/memory.max")
_USED = Path("/sys/fs/cgroup/memory.current")


def look() -> Finding:
    """Ask kernel and control group what may still be used."""
    available = re.search(r"MemAvailable:\s*(\d+)", Path("/proc/meminfo").read_text())
    limit = _LIMIT.read_text().strip() if _LIMIT.exists() else "max"
    used = _USED.read_text().strip() if _USED.exists() else "0"
    within = (int(limit) - int(used)) / 1e6 if limit.isdecimal() else None
    return judge(int(available[1]) / 1e3 if available else 0.0, within)


def judge(available_mb: float, within_limit_mb: float | None) -> Finding:
    """Say whether so many MB, of which a control group may allow fewer, will do."""
    least = min(available_mb, within_limit_mb if within_limit_mb is not None else available_mb)
    limit = "" if within_limit_mb is None else f", {within_limit_mb:.0f} MB of them within the limit of this control group"
    detail = f"{available_mb:.0f} MB available{limit}"
    if least >= ENOUGH_MB:
        return good(detail)
    remedy = "end other programs, or give the container or virtual machine more memory; the reference stack takes 0.6 GB"
    return limited(detail, remedy) if least >= LEAST_MB else lacking(detail, remedy)
