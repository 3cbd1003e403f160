"""Stack: services that belong together, and the way from their declaration to a run of them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from testbeam.kit.spec import Service, check_stack

if TYPE_CHECKING:
    from testbeam.kit.handle import Handle
    from testbeam.kit.journal import Subscriber
    from testbeam.kit.run import Run


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Stack:
    """Services that belong together; `needs` gives the order. One declaration serves tests, prompt and command line.

    Raises:
        StackError: a name is doubled, a need is unknown or goes in a circle, or a template asks for what is not there.
    """

    services: tuple[Service, ...]

    def __init__(self, *services: Service) -> None:
        object.__setattr__(self, "services", services)
        check_stack(services)

    def __repr__(self) -> str:
        return f"Stack({', '.join(service.name for service in self.services)})"

    def run(
        self,
        folder: Path | str | None = None,
        *,
        keep: bool = False,
        on_event: "Subscriber | None" = None,
        on_crash: "Callable[[Handle], None] | None" = None,
    ) -> "Run":
        """Return a run of this stack: a context manager that starts every service on entry and stops all on exit.

        folder: where logs, files and the services' own folders go; default a temporary one, which is removed at the
        end unless `keep` is set or the run failed (Ctrl-C is no failure). on_event: called with each journal event,
        on_crash: with the handle of a service that ended unexpectedly after it was ready; both from a thread of the kit.
        """
        from testbeam.kit.run import Run  # late: declaring a stack costs no machinery

        return Run(self, folder=folder, keep=keep, on_event=on_event, on_crash=on_crash)
