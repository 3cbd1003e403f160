"""Start-up cache of a Java and its jars: its path, and whether it is there.

Java's AOT cache keeps the loaded and linked classes of one training run: 0.55 s to a metadata answer instead of 1.3 s. It fits only the
Java, the flags, and the jars in the order that it was trained with: all of these are in its name.
Source: JEP 483, 514, 515.
"""

import os
from zlib import crc32

from testbeam.kafka_distribution import jars, java
from testbeam.kafka_distribution.cache import Cache
from testbeam.kafka_distribution.installation import Installation

_TRAINING = "1"  # another number, another training: caches of the old one are no longer used


class AotCache:
    """The files of one start-up cache: the cache itself, or why there is none."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.failure_path = f"{path}.failed"
        self._failure = ""

    @property
    def is_there(self) -> bool:
        """Tell whether it has been trained."""
        return os.path.exists(self.path)

    @property
    def is_settled(self) -> bool:
        """Tell whether it has been trained, or that has failed and need not be tried at each start."""
        return self.is_there or bool(self.failure)

    @property
    def failure(self) -> str:
        """Return why the training has failed, or "" where it has not."""
        if self._failure:
            return self._failure
        try:
            with open(self.failure_path, encoding="utf-8") as file:
                return file.read().strip() or "training failed, it is not known why"
        except OSError:
            return ""

    def fail(self, reason: str) -> None:
        """Keep why the training has failed, in the file too if it can be written."""
        self._failure = reason
        try:
            os.makedirs(os.path.dirname(self.failure_path), exist_ok=True)
            with open(self.failure_path, "w", encoding="utf-8") as file:
                file.write(reason)
        except OSError:
            pass  # a cache that can only be read: the next start tries, and says, it again

    def forget(self) -> None:
        """Remove the cache and the reason why there is none."""
        self._failure = ""
        for path in (self.path, self.failure_path):
            if os.path.exists(path):
                os.remove(path)

    def touch(self) -> None:
        """Note that the cache is in use, so that it is not the next one to be removed."""
        try:  # noqa: SIM105 — contextlib would be one more import of a warm start
            os.utime(self.path)
        except OSError:
            pass  # a cache that can only be read is as good


def of(installation: Installation, cache: Cache) -> AotCache | None:
    """Return the start-up cache that fits an installation, trained or not; None where its Java can't have one."""
    return AotCache(os.path.join(cache.aot, name(installation))) if installation.java.can_train else None


def name(installation: Installation) -> str:
    """Return the file name, which is a digest of all that the cache depends on."""
    folders = {os.path.dirname(path): None for path in installation.class_path}
    facts = {entry[0]: entry for folder in folders for entry in jars.listing(folder)}
    names = [os.path.basename(path) for path in installation.class_path]
    used = [str(facts.get(name, name)) for name in names]
    told = [_TRAINING, installation.java.release, *java.flags(installation.java), *used]
    return f"{crc32(chr(10).join(told).encode()):08x}.aot"
