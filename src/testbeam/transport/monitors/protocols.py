"""Protocol of a client that watches PVs."""

from collections.abc import Callable
from typing import Protocol

from testbeam.model.updates import UpdateBatch

Clock = Callable[[], int]  # ns since 1970


class Monitors(Protocol):
    """Watches PVs over one protocol. All calls come from one thread; what arrives meanwhile waits, bounded, for `drain`."""

    def subscribe(self, stream: int, channel: str, *, units: bool = False) -> None:
        """Watch the PV `channel` as `stream`, a number from 1 that was not used before; whether the PV exists shows later.

        With `units` the batches tell its unit, too.
        """

    def unsubscribe(self, stream: int) -> None:
        """Stop watching; rows of `stream` may still be in the next batch."""

    def drain(self) -> UpdateBatch:
        """Return what came since the last call, without waiting; also the client's turn to look after lost connections."""

    def wake(self, file: int) -> None:
        """Have the pipe `file` written to, once, when the next update comes, or now if one waits."""

    def close(self) -> None:
        """Leave the network and end every thread; may be called twice."""
