"""How the services of a run are started: in parallel, each as soon as what it needs is ready."""

import threading
import time
from collections.abc import Iterable, Mapping
from queue import SimpleQueue

from testbeam.kit import graph
from testbeam.kit.handle import Handle
from testbeam.kit.lifecycle import Cancelled, Lifecycle

News = tuple[str, BaseException | None]  # who is ready, or what went wrong


class BringUp:
    """One start of several services; a thread each, only while it starts."""

    def __init__(self, lifecycles: Mapping[str, Lifecycle], handles: Mapping[str, Handle], news: "SimpleQueue[News]") -> None:
        self._lifecycles = lifecycles
        self._handles = handles
        self._news = news
        self._threads: list[threading.Thread] = []

    def run(self) -> None:
        """Start all and return when all are ready; raise the first error there is, from wherever it comes."""
        needs = {
            name: [need for need in lifecycle.service.needs if need in self._lifecycles] for name, lifecycle in self._lifecycles.items()
        }
        order = graph.Order(needs)
        order.prepare()
        first = order.get_ready()
        eager = [name for name, lifecycle in self._lifecycles.items() if lifecycle.service.eager and name not in first]
        for name in first:
            self._lifecycles[name].spawn()
        for name in eager:  # after those who wait for nothing, and behind them wherever the processor is short: all wait for these
            self._lifecycles[name].spawn(yields=True)
        self._watch(first)
        while order.is_active():
            name, error = self._news.get()
            if error is not None:
                raise error
            order.done(name)
            ready = order.get_ready()
            for name in ready:
                if name in eager:
                    self._lifecycles[name].promote()
                else:
                    self._lifecycles[name].spawn()
            self._watch(ready)

    def _watch(self, names: Iterable[str]) -> None:
        for name in names:
            thread = threading.Thread(target=self._wait_ready, args=(name,), name=f"testbeam-start-{name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _wait_ready(self, name: str) -> None:
        try:
            self._lifecycles[name].become_ready(self._handles[name])
        except Cancelled:
            return
        except BaseException as error:  # carried to the thread that started this one
            self._news.put((name, error))
        else:
            self._news.put((name, None))

    def cancel(self) -> None:
        """Let every wait for readiness end."""
        for lifecycle in self._lifecycles.values():
            lifecycle.cancel()

    def join(self, timeout_s: float) -> list[str]:
        """Wait for the threads; return the names of those in which a probe or an after_ready does not return."""
        deadline_s = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(deadline_s - time.monotonic(), 0.0))
        return [thread.name for thread in self._threads if thread.is_alive()]
