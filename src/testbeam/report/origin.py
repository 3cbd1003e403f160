"""Origin of a page: where and when it was made, and by which versions."""

import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from testbeam._version import __version__


def made_here() -> str:
    """Return date, host and versions of this moment, in words."""
    return made(datetime.now(UTC), f"{platform.node()} ({platform.system()} {platform.release()})")


def made(now: datetime, host: str) -> str:
    """Return the line for a moment and a host."""
    from testbeam.kafka_distribution.jars import KAFKA_VERSION

    parts = {
        "Python": platform.python_version(),
        "Apache Kafka": KAFKA_VERSION,
        "EPICS base": _version("epicscorelibs"),
        "h5py": _version("h5py"),
    }
    with_versions = ", ".join(f"{name} {number}" for name, number in parts.items() if number)
    return f"{now:%Y-%m-%d %H:%M:%S} UTC on {host} · testbeam {__version__} with {with_versions}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
