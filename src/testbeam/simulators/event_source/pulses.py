"""Pulses: their times and their rate."""

from dataclasses import dataclass
from fractions import Fraction

from testbeam.errors import SettingsError
from testbeam.model.time import NS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulses:
    """When pulses are: `rate` a second, the first at `first_ns` since 1970."""

    rate: Fraction
    first_ns: int

    @classmethod
    def on_grid(cls, rate: float, now_ns: int) -> "Pulses":
        """Return pulses at whole multiples of the period since 1970, as those of a timing system, from the one that has just been."""
        exact = exact_rate(rate)
        index = now_ns * exact // NS_PER_S
        return cls(rate=exact, first_ns=int(index * NS_PER_S / exact))

    @classmethod
    def from_start(cls, rate: float, first_ns: int) -> "Pulses":
        """Return pulses of which the first is at `first_ns`."""
        return cls(rate=exact_rate(rate), first_ns=first_ns)

    def time_ns(self, pulse: int) -> int:
        """Return the reference time of a pulse; no error adds up over many."""
        return self.first_ns + pulse * NS_PER_S * self.rate.denominator // self.rate.numerator

    def offset_s(self, pulse: int) -> float:
        """Return how long after the first a pulse is."""
        return float(pulse / self.rate)


def exact_rate(rate: float) -> Fraction:
    """Return a rate as the fraction that its decimal digits say.

    Raises:
        SettingsError: it is not positive, or beyond a million a second.
    """
    if not 0 < rate <= 1_000_000:
        raise SettingsError("--rate", rate, "a positive number of pulses per second, at most 1,000,000")
    return Fraction(str(rate))
