"""The machine under a stack: room on disks, memory, open files, clocks."""

import os
import re
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from testbeam.doctor.examination import Finding, good, lacking, limited
from testbeam.kafka_distribution.cache import user_cache
from testbeam.model.time import NS_PER_S

DISK_ENOUGH_GB = 2.0
DISK_LEAST_GB = 0.3  # a run of the reference stack takes about 100 MB, half of it Kafka's


def look_at_disk() -> Finding:
    """Ask for the free space where runs have their folders, and where the cache is."""
    folders = (Path(tempfile.gettempdir()), _existing(Path(user_cache().root)))
    return judge_disk({str(folder): shutil.disk_usage(folder).free / 1e9 for folder in folders})


def judge_disk(free_gb: dict[str, float]) -> Finding:
    """Say whether the free space in GB of each folder will do."""
    detail = ", ".join(f"{free:.1f} GB free in {folder}" for folder, free in free_gb.items())
    least = min(free_gb.values())
    if least >= DISK_ENOUGH_GB:
        return good(detail)
    remedy = "make room, or point TMPDIR (runs) and TESTBEAM_CACHE (jars) to a larger disk"
    return limited(detail, remedy) if least >= DISK_LEAST_GB else lacking(detail, remedy)


def _existing(path: Path) -> Path:
    return next(one for one in (path, *path.parents) if one.exists())


def look_at_temporary_folder() -> Finding:
    """Ask how its file system is mounted."""
    folder = tempfile.gettempdir()
    return judge_temporary_folder(folder, noexec=bool(os.statvfs(folder).f_flag & os.ST_NOEXEC))


def judge_temporary_folder(folder: str, *, noexec: bool) -> Finding:
    """Say whether programs can be executed there: the tools of `testbeam test`, and the libraries by which Kafka decompresses."""
    if not noexec:
        return good(f"{folder}, where programs can be executed")
    return limited(f"{folder} is mounted noexec: `testbeam test` and compressed messages need more", "mkdir -p ~/tmp; export TMPDIR=~/tmp")


MEMORY_ENOUGH_MB = 1500.0
MEMORY_LEAST_MB = 600.0  # the reference stack, of which the broker takes 250 MB
_MEMORY_LIMIT = Path("/sys/fs/cgroup/memory.max")
_MEMORY_USED = Path("/sys/fs/cgroup/memory.current")


def look_at_memory() -> Finding:
    """Ask kernel and control group what may still be used."""
    available = re.search(r"MemAvailable:\s*(\d+)", Path("/proc/meminfo").read_text())
    limit = _MEMORY_LIMIT.read_text().strip() if _MEMORY_LIMIT.exists() else "max"
    used = _MEMORY_USED.read_text().strip() if _MEMORY_USED.exists() else "0"
    within = (int(limit) - int(used)) / 1e6 if limit.isdecimal() else None
    return judge_memory(int(available[1]) / 1e3 if available else 0.0, within)


def judge_memory(available_mb: float, within_limit_mb: float | None) -> Finding:
    """Say whether so many MB, of which a control group may allow fewer, will do."""
    least = min(available_mb, within_limit_mb if within_limit_mb is not None else available_mb)
    limit = "" if within_limit_mb is None else f", {within_limit_mb:.0f} MB of them within the limit of this control group"
    detail = f"{available_mb:.0f} MB available{limit}"
    if least >= MEMORY_ENOUGH_MB:
        return good(detail)
    remedy = "end other programs, or give the container or virtual machine more memory; the reference stack takes 0.6 GB"
    return limited(detail, remedy) if least >= MEMORY_LEAST_MB else lacking(detail, remedy)


OPEN_FILES_ENOUGH = 1024
OPEN_FILES_LEAST = 256


def look_at_open_files() -> Finding:
    """Ask for the limits."""
    return judge_open_files(*resource.getrlimit(resource.RLIMIT_NOFILE))


def judge_open_files(soft: int, hard: int) -> Finding:
    """Say whether the soft limit will do (-1 is none), and how it could be raised."""
    detail = f"{_limit_in_words(soft)}, can be raised to {_limit_in_words(hard)}"
    if soft == resource.RLIM_INFINITY or soft >= OPEN_FILES_ENOUGH:
        return good(detail)
    by_oneself = hard == resource.RLIM_INFINITY or hard >= OPEN_FILES_ENOUGH
    remedy = (
        f"ulimit -n {OPEN_FILES_ENOUGH * 4 if hard in (-1,) or hard >= OPEN_FILES_ENOUGH * 4 else hard}"
        if by_oneself
        else "raise nofile in /etc/security/limits.conf"
    )
    return limited(detail, remedy) if soft >= OPEN_FILES_LEAST else lacking(detail, remedy)


def _limit_in_words(limit: int) -> str:
    return "unlimited" if limit == resource.RLIM_INFINITY else f"{limit} files"


CLOCKS_FINE_ENOUGH_NS = 100_000
_CLOCKS_LOOKS = 2000


def look_at_clocks() -> Finding:
    """Read both clocks again and again."""
    return judge_clocks(_step_ns(time.monotonic_ns), _step_ns(time.time_ns))


def judge_clocks(monotonic_ns: int, wall_ns: int) -> Finding:
    """Say whether the smallest steps of the two clocks will do."""
    detail = f"smallest step {_step_in_words(monotonic_ns)} (monotonic), {_step_in_words(wall_ns)} (wall)"
    if max(monotonic_ns, wall_ns) <= CLOCKS_FINE_ENOUGH_NS:
        return good(detail)
    return limited(detail, "timelines will be coarse; on a virtual machine choose a better clock source: kvm-clock, hyperv or tsc")


def _step_ns(clock: Callable[[], int]) -> int:
    readings = [clock() for _ in range(_CLOCKS_LOOKS)]
    steps = [then - before for before, then in pairwise(readings) if then > before]
    return min(steps, default=NS_PER_S)


def _step_in_words(step_ns: int) -> str:
    return f"{step_ns} ns" if step_ns < 1000 else f"{step_ns / 1000:.0f} µs"
