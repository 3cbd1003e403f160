"""Plug-in of pytest, `-p testbeam_in_place`: the integration tests of ESSlivedata, and its dashboard, on testbeam's services."""

import shutil
import sys
from pathlib import Path

FAKES = {"fake_monitors", "fake_detectors", "fake_logdata"}
READY = {True: "Kafka has the topics, pulses begin", False: "ready: commands and data are read from now on"}
PYTHON = Path(shutil.which("testbeam") or "testbeam").parent / "python"


def pytest_collection_finish():
    """Let the suite's own class start our programs, and wait for what they say."""
    ours = {"_build_command_args": command, "readiness_messages": property(ready, lambda *_: None)}
    for name in [name for name in sys.modules if name.endswith("integration.service_process")]:
        for attribute, value in ours.items():
            setattr(sys.modules[name].ServiceProcess, attribute, value)


def ready(process):
    """Return what a program says when it is ready."""
    return [READY[process.service_module.rpartition(".")[2] in FAKES]]


def command(process):
    """Return the command line of our program of that name."""
    name = process.service_module.rpartition(".")[2]
    options = ["--bootstrap", "localhost:9092", "--instrument", process.kwargs["instrument"]]
    if name in FAKES:
        options += [f"--{key.replace('_', '-')}={value}" for key, value in process.kwargs.items() if key in ("mode", "num_monitors")]
        return [str(PYTHON), "-m", f"testbeam.simulators.{name}", *options]
    return [str(PYTHON), "-m", "testbeam.services.livedata", *options, "--service", name]
