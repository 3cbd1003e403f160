"""Order in which the services of a stack start and stop: a topological sort of what each needs."""

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from testbeam.errors import StackError

Needs = Mapping[str, Sequence[str]]


def start_order(needs: Needs) -> "Order":
    """Return the order in which services come up: each after all that it needs."""
    return Order(needs)


def stop_order(needs: Needs) -> "Order":
    """Return the order in which services go down: each after all that need it."""
    return Order({name: tuple(other for other, needed in needs.items() if name in needed) for name in needs})


class Order(TopologicalSorter[str]):
    """A topological order whose cycle is reported by name."""

    def prepare(self) -> None:
        """Fix the graph.

        Raises:
            StackError: the needs go in a circle.
        """
        try:
            super().prepare()
        except CycleError as error:
            circle = " → ".join(reversed(error.args[1]))
            raise StackError(f"the needs go in a circle: {circle}; take one of them out") from None
