"""Units that must be in the datasets of one module, as columns: one unit a row of a log, or a pulse of an event stream."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbeam.audit.columns import AlarmColumns, Columns, ConnectionColumns, EventColumns, Ints, LogColumns, as_ints
from testbeam.audit.destinations import Destination
from testbeam.audit.digests import Digests, of_events
from testbeam.audit.rows import RowColumns
from testbeam.audit.window import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """Units in the order in which their messages were read; the order within a partition is that of the file.

    number: of the message, over all topics. optional: the file may lack it.
    """

    time_ns: Ints
    digest: Digests
    number: Ints
    partition: Ints
    optional: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.time_ns)

    def take(self, chosen: NDArray[Any]) -> "Units":
        """Return these units, in this order."""
        return Units(
            time_ns=self.time_ns[chosen],
            digest=self.digest[chosen],
            number=self.number[chosen],
            partition=self.partition[chosen],
            optional=self.optional[chosen],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How pulses follow each other where all come from one partition: the value of event_index, and the number of events, of each."""

    event_index: Ints
    pulse_events: Ints
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What one destination must hold.

    first: the unit that is the newest before the start, -1 for none; `instead`: what may stand for it (see `window.Verdict`).
    layout, has_ids: for events only; without a layout their order is known only within each partition.
    """

    destination: Destination
    units: Units
    first: int = -1
    instead: Units | None = None
    layout: Layout | None = None
    has_ids: bool = False
    narrowed: int = 0

    def with_first_as_found(self, time_ns: Ints, digest: Digests, start_ns: int) -> "Wanted":
        """Return what is wanted once the file has shown which of the values before the start it took."""
        if self.instead is None or not len(self.instead) or not len(time_ns) or time_ns[0] >= start_ns:
            return self
        if self.first >= 0 and (self.units.time_ns[self.first], self.units.digest[self.first]) == (time_ns[0], digest[0]):
            return self
        same = np.flatnonzero((self.instead.time_ns == time_ns[0]) & (self.instead.digest == digest[0]))
        if not len(same):
            return self
        others = np.delete(np.arange(len(self.units)), self.first if self.first >= 0 else [])
        return replace(self, units=joined(self.instead.take(same[:1]), self.units.take(others)), first=0, instead=None)


def joined(first: Units, second: Units) -> Units:
    """Return the units of both."""
    return Units(**{name: np.concatenate((getattr(first, name), getattr(second, name))) for name in Units.__slots__})


def log_units(columns: Columns, verdict: Verdict, destination: Destination) -> Wanted:
    """Return what a log (f144, al00, ep01) must hold of a source."""
    chosen = _fitting(columns, np.flatnonzero(verdict.reasons == 0), destination)
    chosen = np.concatenate((chosen[chosen == verdict.first], chosen[chosen != verdict.first]))
    instead = _fitting(columns, verdict.instead, destination)
    return Wanted(
        destination=destination,
        units=_rows(columns, chosen, verdict, destination),
        first=0 if len(chosen) and chosen[0] == verdict.first else -1,
        instead=_rows(columns, instead, verdict, destination) if len(instead) else None,
        narrowed=columns.narrowed(chosen, destination.dtype) if isinstance(columns, LogColumns) else 0,
    )


def row_units(columns: RowColumns, verdict: Verdict, destination: Destination, stop_ns: int) -> Wanted:
    """Return what a module of rows must hold of a source; samples after the stop are not among them."""
    fits = as_ints(columns.fits) != 0
    chosen = np.flatnonzero((verdict.reasons == 0) & fits)
    chosen = np.concatenate((chosen[chosen == verdict.first], chosen[chosen != verdict.first]))
    instead = verdict.instead[fits[verdict.instead]]
    units = _rows_of(columns, chosen, verdict)
    is_series = destination.form is not None and destination.form.times is not None
    if is_series:
        return Wanted(destination=destination, units=units.take(units.time_ns <= stop_ns), narrowed=columns.narrowed(chosen))
    return Wanted(
        destination=destination,
        units=units,
        first=0 if len(chosen) and chosen[0] == verdict.first else -1,
        instead=_rows_of(columns, instead, verdict) if len(instead) else None,
        narrowed=columns.narrowed(chosen),
    )


def _rows_of(columns: RowColumns, chosen: NDArray[np.intp], verdict: Verdict) -> Units:
    """Return the rows of these messages, in the messages' order."""
    message = as_ints(columns.row_message)
    place = np.full(len(columns.fits), -1)
    place[chosen] = np.arange(len(chosen))
    rows = np.flatnonzero(place[message] >= 0)
    rows = rows[np.argsort(place[message[rows]], kind="stable")]
    of = message[rows]
    return Units(
        time_ns=as_ints(columns.row_time_ns)[rows],
        digest=as_ints(columns.row_digest)[rows],
        number=as_ints(columns.number)[of],
        partition=as_ints(columns.partition)[of],
        optional=verdict.excuses[of] != 0,
    )


def event_units(columns: EventColumns, verdict: Verdict, destination: Destination) -> Wanted:
    """Return what an event stream must hold of a source."""
    taken = verdict.reasons == 0
    pulse_message = as_ints(columns.pulse_message)
    pulses = np.flatnonzero(taken[pulse_message])
    message = pulse_message[pulses]
    has_ids = bool(as_ints(columns.has_ids)[taken].any())
    pixel_id = as_ints(columns.pixel_id)[pulses]
    partition = as_ints(columns.partition)
    units = Units(
        time_ns=as_ints(columns.pulse_time_ns)[pulses],
        digest=of_events(as_ints(columns.time_of_flight)[pulses], pixel_id),
        number=as_ints(columns.number)[message],
        partition=partition[message],
        optional=verdict.excuses[message] != 0,
    )
    in_one_partition = len(np.unique(partition[taken])) < 2
    layout = _layout(columns, taken, pulses, message) if in_one_partition else None
    return Wanted(destination=destination, units=units, layout=layout, has_ids=has_ids)


def _layout(columns: EventColumns, taken: NDArray[np.bool_], pulses: NDArray[np.intp], message: Ints) -> Layout:
    events = np.where(taken, as_ints(columns.events), 0)
    first_event = np.cumsum(events) - events
    return Layout(
        event_index=first_event[message] + as_ints(columns.pulse_index)[pulses],
        pulse_events=as_ints(columns.pulse_events)[pulses],
        total=int(events.sum()),
    )


def _rows(columns: Columns, chosen: NDArray[np.intp], verdict: Verdict, destination: Destination) -> Units:
    return Units(
        time_ns=as_ints(columns.time_ns)[chosen],
        digest=_digests(columns, chosen, destination),
        number=as_ints(columns.number)[chosen],
        partition=as_ints(columns.partition)[chosen],
        optional=verdict.excuses[chosen] != 0,
    )


def _digests(columns: Columns, chosen: NDArray[np.intp], destination: Destination) -> Digests:
    if isinstance(columns, LogColumns):
        return columns.digests(chosen, destination.dtype)
    if isinstance(columns, AlarmColumns | ConnectionColumns):
        return as_ints(columns.values)[chosen]
    raise TypeError(f"{type(columns).__name__} are no log")


def _fitting(columns: Columns, chosen: NDArray[np.intp], destination: Destination) -> NDArray[np.intp]:
    """Return those that are of the destination's array length; scalars always are."""
    if isinstance(columns, LogColumns) and destination.is_array:
        fitting: NDArray[np.intp] = chosen[columns.lengths(chosen) == destination.width]
        return fitting
    return chosen
