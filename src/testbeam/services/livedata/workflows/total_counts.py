"""Total counts: how many events a detector has sent, whatever their pixels and times."""

from collections.abc import Mapping, Sequence

from testbeam.errors import WorkflowError
from testbeam.services.livedata.workflows.seam import Data, EventData, Output, Temporality, scalar


class TotalCounts:
    """One number."""

    def __init__(self) -> None:
        self._total = 0
        self.lost: Mapping[str, int] = {}

    def add(self, source: str, data: Data) -> None:
        """Count events.

        Raises:
            WorkflowError: the data are none.
        """
        if not isinstance(data, EventData):
            raise WorkflowError(f"{source}: {type(data).__name__} has no events to count")
        self._total += len(data.time_of_flight_ns)

    def outputs(self) -> Sequence[Output]:
        """Return the number since the start."""
        return (scalar("total_counts", self._total, Temporality.CUMULATIVE, "Total"),)

    def clear(self) -> None:
        """Begin anew."""
        self._total = 0
