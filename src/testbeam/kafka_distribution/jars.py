"""Jars of the broker, pinned, and which of them in a folder are whole.

A jar that was checked against its sha256 is given one fixed modification time, before it gets its name. So a start needs to look
only at size and time: a half-written, changed or exchanged jar has another one. Hashing all 45 MB costs 40 ms with the
processor's SHA instructions and 240 ms without, of a start of 550 ms; looking costs 0.5 ms. A fault below the file system,
which leaves the time as it is, is found by `testbeam broker fetch --verify`.
"""

import os

KAFKA_VERSION = "4.3.1"
VERIFIED_S = 1_767_225_600  # 2026-01-01; what the fixed time is does not matter, only that no writer leaves it by accident

# Kafka falls back to a no-op controller of log levels without it, and looks for no configuration of log4j: 45 ms sooner.
_NOT_ON_CLASS_PATH = ("log4j-core",)


class Jar:
    """One line of the pinned list: Maven coordinates, file name, size in bytes, sha256 in hexadecimal digits."""

    __slots__ = ("artifact", "file", "group", "sha256", "size", "version")

    def __init__(self, line: str) -> None:
        self.group, self.artifact, self.version, self.file, size, self.sha256 = line.split("\t")
        self.size = int(size)

    def __repr__(self) -> str:
        return f"Jar({self.group}:{self.artifact}:{self.version})"


def pinned() -> list[Jar]:
    """Return all jars of this version of Kafka, in the order of the class path."""
    with open(os.path.join(os.path.dirname(__file__), f"kafka-{KAFKA_VERSION}.tsv"), encoding="utf-8") as file:
        return [Jar(line) for line in file.read().splitlines()[1:]]


def not_marked(folder: str, jars: list[Jar]) -> list[Jar]:
    """Return the jars that are missing in `folder`, or not as they were when they were checked."""
    whole = {(name, size) for name, size, time_s in listing(folder) if time_s == VERIFIED_S}
    return [jar for jar in jars if (jar.file, jar.size) not in whole]


def listing(folder: str) -> list[tuple[str, int, int]]:
    """Return (name, size, modification time in whole seconds) of each jar in a folder, by name; none for a folder that is not there."""
    try:
        with os.scandir(folder) as entries:
            found = [(entry.name, entry.stat()) for entry in entries if entry.name.endswith(".jar")]
    except OSError:
        return []
    return sorted((name, stat.st_size, int(stat.st_mtime)) for name, stat in found)


def class_path(folder: str, jars: list[Jar]) -> list[str]:
    """Return the paths of the jars that the broker is started with."""
    return [os.path.join(folder, jar.file) for jar in jars if jar.artifact not in _NOT_ON_CLASS_PATH]
