"""Values by name, of which one that is not there is told with what is near."""

from collections.abc import Mapping
from typing import NoReturn, TypeVar

from testbeam.errors import StackError
from testbeam.kit import template

V = TypeVar("V")


class Named(dict[str, V]):
    """A copy of values that a service has declared; `what` says what they are, and whose, for errors."""

    def __init__(self, what: str, values: Mapping[str, V]) -> None:
        super().__init__(values)
        self._what = what

    def __missing__(self, name: str) -> NoReturn:
        raise StackError(f"{self._what} there is no {name!r}; {template.near(name, self)}")
