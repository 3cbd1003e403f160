"""Reading of a PV at one moment, whatever protocol it was read by."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

Scalar: TypeAlias = int | float | str
PvValue: TypeAlias = Scalar | list[int] | list[float] | list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One value of a PV with its alarm and time.

    `value` is the index for an enum, whose names are `choices`, and a list for an array;
    `is_characters` marks an array that holds text. `severity` counts as al00 does (0 none, 1 minor,
    2 major, 3 invalid); `status` is EPICS' word for its cause. `timestamp_ns` counts from 1970; a record that was never processed has 0.
    """

    value: PvValue
    severity: int = 0
    status: str = "NO_ALARM"
    timestamp_ns: int = 0
    units: str = ""
    choices: tuple[str, ...] = ()
    is_characters: bool = False

    @property
    def text(self) -> str:
        """Return the value as a person reads it: an enum's choice, the text in an array of characters, else `str(value)`."""
        if isinstance(self.value, int) and 0 <= self.value < len(self.choices):
            return self.choices[self.value]
        if self.is_characters and isinstance(self.value, list):
            return bytes(int(code) & 0xFF for code in self.value).partition(b"\0")[0].decode(errors="replace")
        return str(self.value)

    def matches(self, wanted: PvValue | Sequence[Scalar]) -> bool:
        """Tell whether this is `wanted`; an enum or a character array also matches its text."""
        if isinstance(wanted, str):
            return wanted == self.text
        if isinstance(self.value, list):
            return isinstance(wanted, Sequence) and self.value == list(wanted)
        return bool(self.value == wanted)
