"""What a service can say of itself when a test has failed: short texts under a title, gathered by its handle."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One piece of evidence; `text` is shown as it is."""

    title: str
    text: str
