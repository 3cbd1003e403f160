"""Who belongs to a running stack: for each service its place, its lifecycle and the handle that users hold."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from testbeam.kit import graph
from testbeam.kit.handle import Handle
from testbeam.kit.lifecycle import Context, Lifecycle
from testbeam.kit.place import Layout, Place

if TYPE_CHECKING:
    from testbeam.kit.run import Run
    from testbeam.kit.spec import Service


class Crew:
    """The services of one run by name; they may join and leave while it lives."""

    def __init__(self, run: "Run", layout: Layout, context: Context) -> None:
        self._run = run
        self._layout = layout
        self._context = context
        self.services: dict[str, Service] = {}
        self.places: dict[str, Place] = {}
        self.lifecycles: dict[str, Lifecycle] = {}
        self.handles: dict[str, Handle] = {}

    def join(self, services: "tuple[Service, ...]") -> Mapping[str, Lifecycle]:
        """Reserve what the services need, write their files, and return their lifecycles.

        Raises:
            StackError: the declarations don't fit together, or something can't be had.
        """
        everyone = (*self.services.values(), *services)
        graph.check_stack(everyone)
        for service in services:
            self.services[service.name] = service
            self.places[service.name] = place = Place(service, self._layout)
            place.reserve()
        new = {service.name for service in services}
        for name in graph.start_order(everyone).static_order():
            if name in new:
                self._furnish(self.places[name])
        return {service.name: self.lifecycles[service.name] for service in services}

    def _furnish(self, place: Place) -> None:
        place.connect(self.places)
        place.write_files()
        name = place.service.name
        for port, target in place.relayed().items():
            self._run.links.open(f"{name}:{port}", (place.address, place.ports[port]), target)
        self.lifecycles[name] = Lifecycle(place.service, place, self._context)
        self.handles[name] = place.service.handle(self._run, self.lifecycles[name])

    def leave(self, name: str) -> None:
        """Forget a service and give its address and ports back."""
        place = self.places.pop(name, None)
        if place is not None:
            self._run.links.forget(f"{name}:")
            place.release()
        self.services.pop(name, None)
        self.lifecycles.pop(name, None)
        self.handles.pop(name, None)

    def dissolve(self) -> None:
        """Give every address and port back."""
        for place in self.places.values():
            place.release()

    def free_name(self, name: str) -> str:
        """Return the name, or the next free one made of it (`filewriter-2`)."""
        number, free = 1, name
        while free in self.services:
            number += 1
            free = f"{name}-{number}"
        return free
