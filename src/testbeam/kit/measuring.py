"""Who of a run can measure a topic: the kit itself knows no protocol, so it asks the handles."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from testbeam.errors import StackError
from testbeam.kit.handle import Handle


@runtime_checkable
class Measures(Protocol):
    """A handle that can tell rate, latency, lag and the CPU of processes for one of its topics."""

    def measure(self, topic: Any, for_s: float = 10.0, **how: Any) -> Any:
        """Watch a topic for so long."""


def measure(handles: Mapping[str, Handle], topic: Any, for_s: float, how: Mapping[str, Any]) -> Any:
    """Return what the first service with topics measures; the CPU of every service of the run is told by its name.

    Raises:
        StackError: no service of the run has topics.
    """
    for handle in handles.values():
        if isinstance(handle, Measures):
            processes = {name: each.pid for name, each in handles.items() if each.pid is not None}
            return handle.measure(topic, for_s, **{"processes": processes, **how})
    raise StackError(f"no service of this run can measure a topic; it has {', '.join(handles) or 'none'}: declare a broker")
