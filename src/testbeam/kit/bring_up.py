"""How the services of a run are started: in parallel, each as soon as what it needs is ready."""

import threading
import time
from collections.abc import Mapping
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
        for lifecycle in self._lifecycles.values():
            if lifecycle.service.eager:
                lifecycle.spawn()
        while order.is_active():
            for name in order.get_ready():
                self._start(name)
            name, error = self._news.get()
            if error is not None:
                raise error
            order.done(name)

    def _start(self, name: str) -> None:
        thread = threading.Thread(target=self._bring, args=(name,), name=f"testbeam-start-{name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _bring(self, name: str) -> None:
        lifecycle = self._lifecycles[name]
        try:
            if not lifecycle.service.eager:
                lifecycle.spawn()
            lifecycle.become_ready(self._handles[name])
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
