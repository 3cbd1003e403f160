"""Protocols of a schema: what the forwarder asks of it, and what it may ask of the forwarder."""

from collections.abc import Callable
from typing import Any, Protocol

from testbeam.model.samples import Severity
from testbeam.model.updates import Form

Serialise = Callable[[Any, int], bytes | None]
"""Return the message for (value, EPICS time in ns), None where this value gives none; raise WireError where it has no place in it."""


class Source(Protocol):
    """One stream, as its serialiser sees it; `missed` counts updates that the serialiser found to be missing before it."""

    missed: int

    @property
    def name(self) -> str:
        """Return the source name."""

    def alarm_at(self, timestamp_ns: int) -> tuple[Severity, str]:
        """Return the alarm of the update at this time."""


MakeSerialise = Callable[[Source, Form, str], Serialise]
"""Return a Serialise for one stream (form and dtype of its values); raise WireError where the schema can't carry the kind."""
