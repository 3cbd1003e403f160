"""Examination of the disk: room for runs and for the cache."""

import shutil
import tempfile
from pathlib import Path

from testbeam.doctor.finding import Finding, good, lacking, limited
from testbeam.kafka_distribution.cache import user_cache

ENOUGH_GB = 2.0
LEAST_GB = 0.3  # a run of the reference stack takes about 100 MB, half of it Kafka's


def look() -> Finding:
    """Ask for the free space where runs have their folders, and where the cache is."""
    folders = (Path(tempfile.gettempdir()), _existing(Path(user_cache().root)))
    return judge({str(folder): shutil.disk_usage(folder).free / 1e9 for folder in folders})


def judge(free_gb: dict[str, float]) -> Finding:
    """Say whether the free space in GB of each folder will do."""
    detail = ", ".join(f"{free:.1f} GB free in {folder}" for folder, free in free_gb.items())
    least = min(free_gb.values())
    if least >= ENOUGH_GB:
        return good(detail)
    remedy = "make room, or point TMPDIR (runs) and TESTBEAM_CACHE (jars) to a larger disk"
    return limited(detail, remedy) if least >= LEAST_GB else lacking(detail, remedy)


def _existing(path: Path) -> Path:
    return next(one for one in (path, *path.parents) if one.exists())
