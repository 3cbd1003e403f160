"""Processes: whether none can escape the guard, whether a hung one can be looked into, container engines and what they hold."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from testbeam.doctor.examination import Finding, good, lacking, limited
from testbeam.kit.containers import engine, leftovers

_PROCESSES_REMEDY = "use a Linux from 5.4 on, and a container that does not forbid prctl and pidfd_open (its seccomp profile)"
_PROCESSES_PROGRAM = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(36, 1, 0, 0, 0) != 0:
    print("PR_SET_CHILD_SUBREAPER is refused:", os.strerror(ctypes.get_errno()))
elif libc.prctl(1, 0, 0, 0, 0) != 0:
    print("PR_SET_PDEATHSIG is refused:", os.strerror(ctypes.get_errno()))
"""


def look_at_processes() -> Finding:
    """Try each of the kernel's means; what would change this process is tried in another."""
    trouble = _subreaper() or _pidfd() or _children()
    return (
        lacking(trouble, _PROCESSES_REMEDY)
        if trouble
        else good("child subreaper, parent-death signal, pidfd and /proc/PID/task/*/children work")
    )


def _subreaper() -> str:
    done = subprocess.run([sys.executable, "-I", "-S", "-c", _PROCESSES_PROGRAM], capture_output=True, text=True, timeout=4.0, check=False)
    return done.stdout.strip() or (f"Python ended with code {done.returncode}: {done.stderr.strip()[-200:]}" if done.returncode else "")


def _pidfd() -> str:
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (OSError, AttributeError) as error:
        return f"pidfd_open is refused: {error}"
    return ""


def _children() -> str:
    path = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    try:
        path.read_bytes()
    except OSError as error:
        return f"{path} can't be read: {error.strerror}"
    return ""


_TRACING_YAMA = Path("/proc/sys/kernel/yama/ptrace_scope")


def look_at_tracing() -> Finding:
    """Look for the tools, and whether the kernel lets them."""
    beside = str(Path(sys.executable).parent)
    path = os.pathsep.join((beside, os.environ.get("PATH", "")))
    tools = {name: bool(shutil.which(name, path=path)) for name in ("py-spy", "gdb")}
    scope = int(_TRACING_YAMA.read_text()) if _TRACING_YAMA.exists() else 0
    return judge_tracing(tools, scope, is_root=os.geteuid() == 0)


def judge_tracing(tools: dict[str, bool], scope: int, *, is_root: bool) -> Finding:
    """Say what is there; `scope` is Yama's: 0 own processes, 1 own children, 2 administrators, 3 nobody."""
    there = [name for name, found in tools.items() if found]
    absent = [name for name, found in tools.items() if not found]
    detail = f"{', '.join(there) or 'neither py-spy nor gdb'} installed{f', {absent[0]} not' if there and absent else ''}"
    if scope == 3 or (scope and not is_root):
        return limited(
            f"{detail}; the kernel keeps processes from being looked into (ptrace_scope {scope})", "sudo sysctl kernel.yama.ptrace_scope=0"
        )
    if "py-spy" not in there:
        return limited(detail, "pip install py-spy (stacks of Python services); sudo apt-get install -y gdb (of compiled ones)")
    return good(detail)


_CONTAINERS_INSTALL = "only for services in containers: sudo apt-get install -y podman"
_CONTAINERS_START = "only for services in containers: sudo systemctl start docker, or log in anew as a member of its group"


def look_at_containers() -> Finding:
    """Ask each engine in turn."""
    asked = [engine.ask(one, timeout_s=4.0) for one in engine.candidates()]
    found = next((one for one in asked if one.version), None)
    if found is None:
        return judge_silent_engines(asked)
    return judge_containers(found, leftovers.find(found.engine))


def judge_silent_engines(asked: Sequence[engine.Asked]) -> Finding:
    """Say why none answers; what is not installed can't be started."""
    missing = all(one.trouble == engine.NOT_INSTALLED for one in asked)
    return limited("; ".join(f"{one.engine} {one.trouble}" for one in asked), _CONTAINERS_INSTALL if missing else _CONTAINERS_START)


def judge_containers(found: engine.Asked, left: tuple[leftovers.Leftover, ...]) -> Finding:
    """Say what answered, and name what is left."""
    detail = f"{found.engine} {found.version} answers"
    if not left:
        return good(detail)
    names = ", ".join(f"{one.service} of run {one.run_id}" for one in left)
    return limited(f"{detail}; {len(left)} containers are left of runs that are over: {names}", "testbeam doctor --remove-leftovers")


def remove_leftovers() -> int:
    """Remove them from every engine that answers; return how many there were: without an engine none.

    Raises:
        StackError: an engine does not remove them.
    """
    answering = [one for one in engine.candidates() if engine.ask(one).version]
    count = 0
    for one in answering:
        left = leftovers.find(one)
        leftovers.remove(one, left)
        count += len(left)
    return count
