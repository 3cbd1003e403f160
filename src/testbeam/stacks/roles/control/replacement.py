"""How genuine NICOS takes the place of our instrument control: a checkout, with an environment of its own to run it.

Source: docs/reference/contracts/control.md, "Genuine NICOS as a program".
"""

from dataclasses import replace
from pathlib import Path

from testbeam.errors import StackError
from testbeam.kit.probes.process import ProcessAlive
from testbeam.kit.spec import Service
from testbeam.stacks.probes.nicos import NicosAnswers
from testbeam.stacks.replacements import any_role, paths
from testbeam.stacks.roles.control.declaration import DEMO_SETUPS, ControlPart

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
    package = "testbeam_instrument"
    env = dict(service.env) | {
        "INSTRUMENT": package,
        "PYTHONPATH": f"${{dir}}:{path}",
        "TESTBEAM_CONTROL_CACHE": "${address}:${port.cache}" if part == "cache" else "${cache.cache}",
        "TESTBEAM_CONTROL_DAEMON": "${address}:${port.daemon}" if part == "daemon" else "127.0.0.1:1",
    }
    files = dict(service.files) | {"${name}/nicos.conf": _conf(package)}
    return replace(
        service,
        command=("sh", "-c", _RUN, part, str(python), str(program), str(DEMO_SETUPS), package),
        env=env,
        files=files,
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


# $0 is the part; the package of setups is made in the service's own folder, as NICOS wants one
_RUN = 'mkdir -p "$4" && ln -sfn "$3" "$4/setups" && : > "$4/__init__.py" && exec "$1" "$2"'


def _conf(package: str) -> str:
    return f"[nicos]\nsetup_package = {package}\ninstrument = {package}\npid_path = .\nlogging_path = .\n"
