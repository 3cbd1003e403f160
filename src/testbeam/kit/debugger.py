"""Hold of a service before its first instruction that matters, until a developer has attached a debugger and lets it go on.

A Python module waits in debugpy for its client; any other program is stopped by SIGSTOP just before it is executed, with the process id
that it keeps. Readiness time-outs of the whole stack don't run while a debugger is awaited.
"""

import importlib.util
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from testbeam.errors import StackError
from testbeam.kit import template
from testbeam.kit.journal import Event
from testbeam.kit.spec import Port, ProbeResult, Service, ServiceView
from testbeam.kit.stack import Stack

PORT = "debugger"
_SUSPENDED_S = 7 * 24 * 3600.0
_STOP_THEN_RUN = "import os, signal, sys; os.kill(os.getpid(), signal.SIGSTOP); os.execvp(sys.argv[1], sys.argv[1:])"


@dataclass(frozen=True, slots=True)
class _Released:
    """Ready once the program itself runs, for a service that has no probe and would be ready as soon as it is spawned."""

    def check(self, service: ServiceView) -> ProbeResult:
        try:
            words = Path(f"/proc/{service.pid}/cmdline").read_bytes().split(b"\0")
        except OSError as error:
            return ProbeResult(ready=False, detail=str(error))
        is_held = _STOP_THEN_RUN.encode() in words
        return ProbeResult(ready=not is_held, detail="held for a debugger" if is_held else "goes on")


def held(stack: Stack, names: Iterable[str]) -> Stack:
    """Return the stack with these services held at their start; "" and "true" stand for all.

    Raises:
        StackError: a service is not there, runs elsewhere, or is a Python module while debugpy is not installed.
    """
    wanted, known = {"" if name == "true" else name for name in names}, [service.name for service in stack.services if not service.external]
    for name in wanted - {"", *known}:
        raise StackError(f"--wait-to-attach-debugger={name}: no such service is started here; {template.near(name, known)}")
    return Stack(
        *(
            _patient(_hold(service) if not wanted.isdisjoint({"", service.name}) and not service.external else service)
            for service in stack.services
        )
    )


def announcer(stack: Stack, say: Callable[[str], None]) -> Callable[[Event], None]:
    """Return a subscriber that tells, for each held service, its process id and the lines to paste."""
    by_name = {service.name: service for service in stack.services}

    def tell(event: Event) -> None:
        service = by_name.get(event.service)
        if event.kind == "spawned" and service is not None and "held" in service.options:
            say(_words(service, event))

    return tell


def _hold(service: Service) -> Service:
    if _is_python_module(service):
        if importlib.util.find_spec("debugpy") is None:
            raise StackError(f"--wait-to-attach-debugger={service.name}: debugpy is not installed; pip install 'testbeam[debug]'")
        python, *rest = service.command
        command = (
            python,
            "-Xfrozen_modules=off",
            "-m",
            "debugpy",
            "--listen",
            f"${{address}}:${{port.{PORT}}}",
            "--wait-for-client",
            *rest,
        )
        return replace(service, command=command, ports=(*service.ports, Port(name=PORT)), options={**service.options, "held": "debugpy"})
    return replace(
        service,
        command=("${python}", "-I", "-S", "-c", _STOP_THEN_RUN, *service.command),
        ready=service.ready or _Released(),
        options={**service.options, "held": "gdb"},
    )


def _patient(service: Service) -> Service:
    return replace(service, ready_timeout_s=_SUSPENDED_S)


def _is_python_module(service: Service) -> bool:
    program, *rest = (*service.command, "")
    return (program == "${python}" or PurePath(program).name.startswith("python")) and rest[0] == "-m"


def _words(service: Service, spawned: Event) -> str:
    pid = spawned.data["pid"]
    if service.options["held"] == "debugpy":
        connect = json.dumps({"host": spawned.data["address"], "port": spawned.data["ports"][PORT]})
        return (
            f"{service.name} (pid {pid}) waits for a debugger before its first line. Attach one by the debug adapter protocol:\n"
            f'    {{"type": "debugpy", "request": "attach", "connect": {connect}}}\n'
            f"It goes on when the debugger says so."
        )
    return (
        f"{service.name} (pid {pid}) is stopped before its first instruction. Attach, set breakpoints, and go on with `continue`:\n"
        f"    gdb -p {pid}\n"
        f"Without a debugger it goes on by:\n"
        f"    kill -CONT {pid}"
    )
