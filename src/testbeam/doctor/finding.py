"""Finding of one examination."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How well a machine is off."""

    GOOD = "good"
    LIMITED = "limited"  # something can't be done here; stacks run all the same
    LACKING = "lacking"  # the reference stack can't run here


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was seen, in words, and what to do about it."""

    state: State
    detail: str
    remedy: str = ""


def good(detail: str) -> Finding:
    """Return that all is well."""
    return Finding(state=State.GOOD, detail=detail)


def limited(detail: str, remedy: str) -> Finding:
    """Return that something can't be done, and how it could be."""
    return Finding(state=State.LIMITED, detail=detail, remedy=remedy)


def lacking(detail: str, remedy: str) -> Finding:
    """Return that the reference stack can't run, and what would mend it."""
    return Finding(state=State.LACKING, detail=detail, remedy=remedy)
