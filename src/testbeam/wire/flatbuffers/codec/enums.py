"""Members of enums by their numbers on the wire."""

from enum import IntEnum
from typing import TypeVar

from testbeam.errors import WireError

_E = TypeVar("_E", bound=IntEnum)


def member(schema: str, enum: type[_E], number: int) -> _E:
    """Return the member with this number.

    Raises:
        WireError: there is none.
    """
    try:
        return enum(number)
    except ValueError:
        raise WireError(schema, f"{number} is no {enum.__name__}; known are {', '.join(f'{m.value} {m.name}' for m in enum)}") from None
