"""Examination of container engines, and of containers that earlier runs have left."""

from testbeam.doctor.finding import Finding, good, limited
from testbeam.errors import StackError
from testbeam.kit.containers import engine, leftovers

_INSTALL = "only for services in containers: sudo apt-get install -y podman"
_START = "only for services in containers: sudo systemctl start docker, or log in anew as a member of its group"


def look() -> Finding:
    """Ask each engine in turn."""
    asked = [engine.ask(one, timeout_s=4.0) for one in engine.candidates()]
    found = next((one for one in asked if one.version), None)
    if found is None:
        missing = all(one.trouble == engine.NOT_INSTALLED for one in asked)
        return limited("; ".join(f"{one.engine} {one.trouble}" for one in asked), _INSTALL if missing else _START)
    return judge(found, leftovers.find(found.engine))


def judge(found: engine.Asked, left: tuple[leftovers.Leftover, ...]) -> Finding:
    """Say what answered, and name what is left."""
    detail = f"{found.engine} {found.version} answers"
    if not left:
        return good(detail)
    names = ", ".join(f"{one.service} of run {one.run_id}" for one in left)
    return limited(f"{detail}; {len(left)} containers are left of runs that are over: {names}", "testbeam doctor --remove-leftovers")


def remove_leftovers() -> int:
    """Remove them from every engine that answers; return how many there were.

    Raises:
        StackError: no engine answers, or it does not remove them.
    """
    answering = [one for one in engine.candidates() if engine.ask(one).version]
    if not answering:
        raise StackError(f"no container engine answers, so none could be asked for leftovers; {_INSTALL}")
    count = 0
    for one in answering:
        left = leftovers.find(one)
        leftovers.remove(one, left)
        count += len(left)
    return count
