"""Do a process and all that descend from it stand still, as the kernel sees them?"""

from pathlib import Path

from testbeam.kit import guard
from testbeam.kit.seen import Seen

OBEYED_S = 10.0  # a process in the middle of a disk access is stopped only after it


def look(pid: int, *, stopped: bool = True) -> Seen:
    """Tell whether all of them are stopped, or all go on; the detail names those that are not so."""
    states = {each: kernel_state(each) for each in (pid, *guard.descendants(pid))}
    wrong = {each: state for each, state in states.items() if state not in "ZX" and (state == "T") is not stopped}
    return Seen(ready=not wrong, detail=", ".join(f"pid {each} is {state}" for each, state in wrong.items()))


def kernel_state(pid: int) -> str:
    """Return how the kernel sees a process: R, S, D, T (stopped), Z, or X where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"
