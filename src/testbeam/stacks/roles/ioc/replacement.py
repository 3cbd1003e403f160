"""Compiled IOC, with its own st.cmd and databases, in place of ours. Source: docs/reference/contracts/ioc.md, "Isolation"."""

import os
from dataclasses import replace
from pathlib import Path

from testbeam.errors import StackError
from testbeam.kit.spec import Port, Service
from testbeam.stacks.probes.ca_answers import CaAnswers
from testbeam.stacks.replacements import paths
from testbeam.stacks.roles.ioc.declaration import RECORDS_FILE, PvAnswers
from testbeam.stacks.roles.ioc.declaration import ports as ioc_ports
from testbeam.transport.epics_environment import CA_PORT, PVA_PORT, client_environment, server_environment

_WHAT = "the top folder of an IOC, its st.cmd, or its program"

# An IOC's shell ends with its input, so that is a pipe which never ends; write to it to type into the shell: echo dbl > ioc/stdin
_RUN = (
    'cd "$1" && rm -f "$3" && { [ -p "$2" ] || mkfifo "$2"; } && exec 3<>"$2" && '
    '{ [ -z "$4" ] || echo "$4" >&3; } && shift 4 && exec "$@" <&3 3<&-'
)
_TELL_RECORDS = f'dbl > "${{dir}}/{RECORDS_FILE}"'


def local_build(service: Service, path: Path) -> Service:
    """Return the IOC run by its `st.cmd` in the folder of that, or by the program at `path`.

    An st.cmd runs on the program named in its first line (`#!../../bin/linux-x86_64/my`); once it has run, the names of the
    records are asked for through the IOC's shell.

    Raises:
        StackError: there is no such file, or st.cmd does not say by which program it is run.
    """
    path = _start_up_file(paths.existing(path, _WHAT).absolute())
    if path.suffix != ".cmd" and not path.name.startswith("st."):
        return _isolated(service, "${dir}", "", (str(paths.program(path, (), _WHAT)),))
    return _isolated(service, str(path.parent), _TELL_RECORDS, (*_interpreter(path), path.name))


def command(service: Service, words: tuple[str, ...]) -> Service:
    """Return the IOC run by this whole command line, on an address of its own by the variables of EPICS."""
    return _isolated(service, "${dir}", "", words)


def external(service: Service, where: str) -> Service:
    """Return the IOC as one that runs at HOST or HOST:PORT (of Channel Access) already."""
    host, port = paths.host_and_port(where, CA_PORT)
    endpoints = {"ca": f"{host}:{port}", "pva": f"{host}:{PVA_PORT}", "address": host}
    return paths.elsewhere(service, endpoints, _ready(service))


def _isolated(service: Service, folder: str, first_line: str, words: tuple[str, ...]) -> Service:
    served = server_environment("${address}", "${port.ca}", "${port.pva}", "${port.pva_broadcast}")
    peers = service.options.get("peers", ())
    ca, pva = ([f"${{address}}:${{port.{word}}}", *(f"${{{peer}.{word}}}" for peer in peers)] for word in ("ca", "pva"))
    reached = client_environment(ca, pva)
    own = {port.name: port for port in (*(service.ports if service.ports else ioc_ports()), Port(name="repeater"))}
    env = reached | served | {"EPICS_CA_REPEATER_PORT": "${port.repeater}"}
    endpoints = {
        word: where for word, where in service.endpoints.items() if not word.startswith("pva_search")
    }  # what is answered there is wrong
    return replace(
        service,
        endpoints=endpoints,
        command=("sh", "-c", _RUN, "ioc", folder, "${dir}/stdin", f"${{dir}}/{RECORDS_FILE}", first_line, *words),
        ports=tuple(own.values()),
        env=service.env | env if isinstance(service.env, dict) else {**service.env, **env},
        own_address=True,
        external=False,
        ready=_ready(service),
    )


def _ready(service: Service) -> CaAnswers:
    """Return the question for a PV that the user has named, else for any answer: an IOC may have no PVA, and no list of records."""
    return CaAnswers(service.ready.pv if isinstance(service.ready, PvAnswers | CaAnswers) else "")


def _start_up_file(path: Path) -> Path:
    if path.is_file():
        return path
    found = [path / "st.cmd"] if (path / "st.cmd").is_file() else sorted(path.glob("iocBoot/*/st.cmd"))
    if not found:
        raise StackError(f"there is no st.cmd and no iocBoot/*/st.cmd in {path}; give {_WHAT}")
    if len(found) > 1:
        raise StackError(f"there are several IOCs in {path}; give one of {', '.join(map(str, found))}")
    return found[0]


def _interpreter(start_up: Path) -> tuple[str, ...]:
    """Return the words that run an st.cmd, as the kernel reads its first line: a program, and the rest as one argument.

    A relative program is looked for from the file's folder, in which the IOC runs.
    """
    first = start_up.read_text(errors="replace").partition("\n")[0]
    name, _, argument = first[2:].strip().partition(" ") if first.startswith("#!") else ("", "", "")
    if not name:
        raise StackError(f'{start_up} does not begin with "#!" and the IOC\'s program; add that, or give a command: "bin/…/my {start_up}"')
    program = start_up.parent / name
    if not program.is_file():
        raise StackError(f"{start_up} runs on {program}, which is not there; build the IOC, or correct the first line")
    if not os.access(program, os.X_OK):
        raise StackError(f"{start_up} runs on {program}, which is not executable; chmod +x it")
    return (str(program), *filter(None, (argument.strip(),)))
