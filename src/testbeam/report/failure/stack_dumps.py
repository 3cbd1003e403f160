"""Stacks of a service's threads: py-spy for Python, jcmd for a JVM, the kernel's word for all else."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from testbeam.kit.protocols import HandleLike

_WITHIN_S = 5.0
_LONGEST = 60_000


def dump(handle: HandleLike) -> str:
    """Return the stacks of a service's process, or why there are none; takes a few seconds at the most."""
    pid = handle.pid
    if pid is None or not handle.is_running():
        return f"no process: {handle.state}, exit code {handle.exit_code}"
    program = _program(pid)
    if "java" in program:
        return _said(_jcmd(pid))
    if "python" in program and (
        spy := shutil.which("py-spy", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    ):
        return _said([spy, "dump", "--nonblocking", "--pid", str(pid)])
    return _kernel_words(pid)


def _program(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/exe").readlink().name
    except OSError:
        return ""


def _jcmd(pid: int) -> list[str]:
    """Return the command that belongs to the very Java the process runs on, where it has one."""
    beside = Path(f"/proc/{pid}/exe").resolve().with_name("jcmd")
    return [str(beside) if beside.exists() else shutil.which("jcmd") or "jcmd", str(pid), "Thread.print"]


def _said(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_WITHIN_S, check=False, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return f"{command[0]}: no answer within {_WITHIN_S:g} s: the process is stopped, or does not serve its tools"
    except OSError as error:
        return f"{command[0]}: {error.strerror}"
    return (done.stdout + done.stderr)[:_LONGEST]


def _kernel_words(pid: int) -> str:
    """Return state and waiting place of each thread, which needs no rights and no tool."""
    lines = []
    for task in sorted(Path(f"/proc/{pid}/task").glob("*")):
        try:
            state = next(line for line in (task / "status").read_text().splitlines() if line.startswith("State"))
            lines.append(
                f"thread {task.name} {(task / 'comm').read_text().strip()}: {state}, waits in {(task / 'wchan').read_text() or '-'}"
            )
        except OSError:  # ended meanwhile
            continue
    return "\n".join(lines) or "no threads any more"
