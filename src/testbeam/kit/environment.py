"""Environment of a service: the caller's, without what could lead it out of its own stack."""

import os
from collections.abc import Mapping

RUN_ID = "TESTBEAM_RUN_ID"
_SCRUBBED = (
    "KAFKA_",
    "SASL",
    "EPICS_",
    "JAVA_",
    "TESTBEAM_",
    "_JAVA_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "CLASSPATH",
    "NOTIFY_SOCKET",
    "LISTEN_FDS",
    "LISTEN_PID",
    "PYTHONDONTWRITEBYTECODE",  # services start again and again: compiling each anew would be a third of their start
)
# One beamline is many small programs: a thread pool each for linear algebra would only cost start-up time.
_GIVEN = {"OPENBLAS_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


def scrubbed(caller: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the caller's variables without those that steer a broker, a JVM, EPICS or testbeam itself."""
    return {name: value for name, value in caller.items() if not name.startswith(_SCRUBBED)}


def service_environment(run_id: str, own: Mapping[str, str], kept: Mapping[str, str]) -> dict[str, str]:
    """Return the whole environment of one service: what is kept of the caller's, and its own, but the run's mark wins."""
    return {**kept, **_GIVEN, **own, RUN_ID: run_id}
