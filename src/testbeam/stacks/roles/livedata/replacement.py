"""Checkout of scipp/esslivedata, or another program, in place of our live data.

Source: docs/reference/contracts/livedata.md, "Names of its test harness".
"""

import json
from dataclasses import replace
from pathlib import Path

from testbeam.errors import StackError
from testbeam.kit.probes.log_line import LogLine
from testbeam.kit.spec import Service
from testbeam.stacks.probes.idle_status import IdleStatus
from testbeam.stacks.replacements import on_kafka, paths

_SERVICES = ("monitor_data", "detector_data", "data_reduction", "timeseries")
_PACKAGE = Path("src", "ess", "livedata", "services")
_WHAT = "a checkout of esslivedata with a virtual environment in it (.venv, venv or env) in which it is installed"
_READY = ("Service started", "kafka_consumer_ready")
_ALL_READY = "all are ready"
_FOUR_STARTS_S = 120.0  # four programs that load scipp at once


def local_build(service: Service, path: Path) -> Service:
    """Return all four services of a checkout, run as one by the Python of its virtual environment.

    They take their topics from the instrument's name, and no prefix.

    Raises:
        StackError: there is no such checkout or environment, or the service's topics have another prefix.
    """
    if not (paths.existing(path, _WHAT) / _PACKAGE).is_dir():
        raise StackError(f"there is no {_PACKAGE} in {path}; give {_WHAT}")
    python = next((one for name in (".venv", "venv", "env") if (one := path / name / "bin" / "python").exists()), None)
    if python is None:
        raise StackError(f"there is no virtual environment in {path}; make one: python3.12 -m venv {path}/.venv, and install it there")
    instrument, prefix = service.options["instrument"], service.options["prefix"]
    if instrument != prefix:
        raise StackError(
            f"esslivedata's topics begin with the instrument's name, here {instrument!r}, and this stack's with {prefix!r}; "
            'for its instrument dummy say prefix = "dummy" for the stack and instrument = "dummy" for live data in a testbeam.toml'
        )
    flags = ["--instrument", instrument, "--log-level", "INFO", *([] if service.options["production"] else ["--dev"])]
    commands = [[str(python), "-m", f"ess.livedata.services.{name}", *flags] for name in _SERVICES]
    words = ("${python}", "-m", "testbeam.stacks.roles.livedata.several", *(f"--ready={text}" for text in _READY), json.dumps(commands))
    quoted = tuple(word.replace("$", "$$") if word.startswith("[") else word for word in words)
    return replace(command(service, quoted), ready=LogLine(_ALL_READY), ready_timeout_s=max(service.ready_timeout_s, _FOUR_STARTS_S))


def command(service: Service, words: tuple[str, ...]) -> Service:
    """Return the service run by this whole command line; ready at its first status on Kafka.

    The variables from which esslivedata takes its broker are set.
    """
    return replace(service, command=words, ready=IdleStatus(), external=False, env={**service.env, **_environment(service)})


def external(service: Service, where: str) -> Service:
    """Return the service as one that works with the Kafka at `where` already; ready at its next status on it."""
    return on_kafka.external(service, where)


def _environment(service: Service) -> dict[str, str]:
    return {
        "LIVEDATA_ENV": "docker",
        "KAFKA_BOOTSTRAP_SERVERS": service.options["brokers"],
        "KAFKA_SECURITY_PROTOCOL": "PLAINTEXT",
        "KAFKA_SASL_MECHANISM": "PLAIN",  # asked for, and not used
        "KAFKA_SASL_USERNAME": "none",
        "KAFKA_SASL_PASSWORD": "none",
    }
