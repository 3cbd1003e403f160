"""What one look at a service showed."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Seen:
    """The answer of a probe: whether the service is ready, and what was seen, in words for an error message."""

    ready: bool
    detail: str
