"""Examination of tracing: whether the stack of a hung service can be seen."""

import os
import shutil
import sys
from pathlib import Path

from testbeam.doctor.finding import Finding, good, limited

_YAMA = Path("/proc/sys/kernel/yama/ptrace_scope")


def look() -> Finding:
    """Look for the tools, and whether the kernel lets them."""
    beside = str(Path(sys.executable).parent)
    path = os.pathsep.join((beside, os.environ.get("PATH", "")))
    tools = {name: bool(shutil.which(name, path=path)) for name in ("py-spy", "gdb")}
    scope = int(_YAMA.read_text()) if _YAMA.exists() else 0
    return judge(tools, scope, is_root=os.geteuid() == 0)


def judge(tools: dict[str, bool], scope: int, *, is_root: bool) -> Finding:
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
