"""How the services of a run are stopped: in parallel, each after all that need it."""

from collections.abc import Mapping
from math import inf
from queue import Empty, SimpleQueue

from testbeam.kit import graph
from testbeam.kit.lifecycle import Lifecycle

MARGIN_S = 15.0  # beyond a service's own time-out: the guard's time for SIGKILL, and some

HURRY = ""  # news that is no service's name: kill what is left


def bring_down(lifecycles: Mapping[str, Lifecycle], news: "SimpleQueue[str]", at_most_s: float = inf) -> list[str]:
    """Stop all and return the names of those of which something may be left (their guard must end them).

    at_most_s: bounds the time that each has until it is killed.
    HURRY on `news` (as Ctrl-C puts it there) has everything killed, whatever the order.
    """
    order = graph.stop_order(lifecycle.service for lifecycle in lifecycles.values())
    order.prepare()
    longest_s = min(max((lifecycle.service.stop_timeout_s for lifecycle in lifecycles.values()), default=0.0), at_most_s)
    going: set[str] = set()
    while order.is_active():
        for name in order.get_ready():
            going.add(name)
            lifecycles[name].begin_stop(news.put, at_most_s)
        try:
            name = news.get(timeout=longest_s + MARGIN_S)
        except Empty:
            return sorted(going)
        if name == HURRY:
            at_most_s = 0.0
            for each in going:
                lifecycles[each].hurry()
        elif name in going:
            going.remove(name)
            lifecycles[name].finish_stop()
            order.done(name)
    return []
