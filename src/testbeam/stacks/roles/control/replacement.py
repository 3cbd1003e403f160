"""Genuine NICOS in place of our instrument control: a checkout, with an environment of its own to run it.

Source: docs/reference/contracts/control.md, "Genuine NICOS as a program".
"""

import json
import os
from dataclasses import replace
from pathlib import Path

from testbeam.errors import StackError
from testbeam.kit.probes.process import ProcessAlive
from testbeam.kit.spec import Service
from testbeam.stacks.probes.nicos import NicosAnswers
from testbeam.stacks.replacements import any_role, paths
from testbeam.stacks.roles.control.declaration import DEMO_SETUPS, NEXUS_TEMPLATE, ControlPart

_WHAT = "a checkout of NICOS with bin/nicos-daemon in it, and beside it or in it an environment (.venv, nicos-venv) that can run it"
_ENVIRONMENTS = (".venv", "venv", "../nicos-venv", "../.venv")


def local_build(service: Service, path: Path) -> Service:
    """Return the part run from a checkout of NICOS, with the same setups.

    Raises:
        StackError: there is no such program, or no Python that could run it.
    """
    part: ControlPart = service.options["part"]
    program = paths.program(paths.existing(path, _WHAT), (f"bin/nicos-{part}",), _WHAT)
    python = next((found for name in _ENVIRONMENTS if (found := path / name / "bin" / "python").is_file()), None)
    if python is None:
        raise StackError(
            f"there is no environment for {path}; make one: python3.12 -m venv {path}/.venv, and install its requirements.txt there"
        )
    env = dict(service.env) | {
        "INSTRUMENT": f"{_PACKAGE}.{_INSTRUMENT}",
        "PYTHONPATH": ":".join(["${dir}", str(path), *(str(one) for one in [path.parent / "yuos_query"] if one.is_dir())]),
        "PYTHONUNBUFFERED": "1",
        "TESTBEAM_CONTROL_CACHE": "${address}:${port.cache}" if part == "cache" else service.env.get("TESTBEAM_CONTROL_CACHE", ""),
        "TESTBEAM_CONTROL_DAEMON": "${address}:${port.daemon}" if part == "daemon" else "127.0.0.1:1",
        "TESTBEAM_CONTROL_NEXUS": f"{_PACKAGE}/{_INSTRUMENT}/nexus/template.json",  # it takes relative paths only
    }
    if part == "cache":
        env |= _UNUSED
    given = json.loads(service.options["setups"])
    setups, nexus = given[0] if given else str(DEMO_SETUPS), str(NEXUS_TEMPLATE.parent)
    return replace(
        service,
        command=("sh", "-c", _RUN, f"nicos-{part}", str(python), str(program), setups, nexus, _conf()),
        env=env,
        ports=tuple(replace(port, hold=False) for port in service.ports),
        ready=NicosAnswers(part) if part == "cache" or part == "daemon" else ProcessAlive(),
        ready_timeout_s=60.0,
        external=False,
    )


def command(service: Service, words: tuple[str, ...]) -> Service:
    """Return the part run by this whole command line; the probe stays, since it asks the protocol."""
    return any_role.command(service, words)


def external(service: Service, where: str) -> Service:
    """Return the part as one that runs at HOST:PORT already."""
    return any_role.external(service, where)


_PACKAGE, _INSTRUMENT = "testbeam_instrument", "demo"
# The setup files of all services read all variables, be they of use or not.
_UNUSED = {
    f"TESTBEAM_CONTROL_{word}": "unused"
    for word in (
        *("BROKERS", "DATA", "FORWARDER_STATUS_TOPIC", "FORWARDER_CONFIG_TOPIC", "DATA_TOPIC", "POOL_TOPIC", "CONTROL_TOPIC"),
        *("WRITER_STATUS_TOPIC", "COLLECTOR_TOPIC", "SCICHAT_TOPIC"),
    )
}
# A package of setups as NICOS wants one, in the service's own folder, which is the working directory.
_RUN = (
    '[ -z "$TESTBEAM_CONTROL_DATA" ] || mkdir -p "$TESTBEAM_CONTROL_DATA"; mkdir -p testbeam_instrument/demo && '
    'cp -r "$3" testbeam_instrument/demo/setups && cp -r "$4" testbeam_instrument/demo/nexus && '
    ": > testbeam_instrument/__init__.py && : > testbeam_instrument/demo/__init__.py && "
    'printf "%s" "$5" > testbeam_instrument/demo/nicos.conf && exec "$1" "$2"'
)


def _conf() -> str:
    """Return nicos.conf; as root it has to be told that it may be."""
    who = ["user = 'root'", "group = 'root'"] if os.geteuid() == 0 else []
    lines = [
        "[nicos]",
        f"setup_package = '{_PACKAGE}'",
        f"instrument = '{_INSTRUMENT}'",
        f"setup_subdirs = ['{_INSTRUMENT}']",
        "services = ['cache', 'poller', 'collector', 'daemon']",
        "pid_path = 'pid'",
        "logging_path = 'log'",
        "keystorepaths = ['keystore']",
        *who,
        "[environment]",
        "DEFAULT_EPICS_PROTOCOL = 'pva'",
        "KAFKA_SSL_PROTOCOL = ''",
        "KAFKA_SSL_MECHANISM = ''",
        "KAFKA_CERT_PATH = ''",
        "KAFKA_USER = ''",
    ]
    return "\n".join(lines) + "\n"
