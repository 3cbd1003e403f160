"""Builder of update batches: rows that wait for the next drain, in lists that grow."""

from typing import Any

from testbeam.model.samples import ConnectionState, Severity
from testbeam.model.updates import AlarmColumns, ConnectionColumns, Form, UnitsColumns, UpdateBatch, ValueColumns

Rows = tuple[list[int], list[Any], list[int]]  # stream, value, timestamp_ns


class BatchBuilder:
    """Rows that wait for the next `take`; lists that grow, so that a row costs a few appends."""

    __slots__ = ("_alarms", "_connections", "_units", "_values", "dropped", "overruns", "problems")

    def __init__(self) -> None:
        self._start_anew()

    def _start_anew(self) -> None:
        self._values: dict[tuple[Form, str], Rows] = {}
        self._alarms: tuple[list[int], list[int], list[Severity], list[str]] = ([], [], [], [])
        self._connections: tuple[list[int], list[int], list[ConnectionState]] = ([], [], [])
        self._units: tuple[list[int], list[int], list[str]] = ([], [], [])
        self.problems: list[tuple[int, str]] = []
        self.overruns: list[int] = []
        self.dropped = 0

    def rows(self, form: Form, dtype: str) -> Rows:
        """Return the three growing columns of one kind of value, until the next `take`."""
        kind = (form, dtype)
        found = self._values.get(kind)
        if found is None:
            found = self._values[kind] = ([], [], [])
        return found

    def alarm(self, stream: int, timestamp_ns: int, severity: int, message: str) -> None:
        """Add an alarm; a severity that al00 has no word for (PVA's 4, undefined) is INVALID."""
        streams, times, severities, messages = self._alarms
        streams.append(stream)
        times.append(timestamp_ns)
        severities.append(Severity(severity) if 0 <= severity <= 3 else Severity.INVALID)
        messages.append(message)

    def connection(self, stream: int, timestamp_ns: int, state: ConnectionState) -> None:
        """Add a connection change."""
        streams, times, states = self._connections
        streams.append(stream)
        times.append(timestamp_ns)
        states.append(state)

    def unit(self, stream: int, timestamp_ns: int, units: str) -> None:
        """Add a unit."""
        streams, times, texts = self._units
        streams.append(stream)
        times.append(timestamp_ns)
        texts.append(units)

    def take(self, columns: tuple[ValueColumns, ...] = ()) -> UpdateBatch:
        """Return all rows, after those that a client has in `columns` already, and start anew."""
        own = tuple(
            ValueColumns(form=form, dtype=dtype, stream=rows[0], value=rows[1], timestamp_ns=rows[2])
            for (form, dtype), rows in self._values.items()
            if rows[0]
        )
        batch = UpdateBatch(
            values=(*columns, *own),
            alarms=self._alarm_columns(),
            connections=self._connection_columns(),
            units=UnitsColumns(stream=self._units[0], timestamp_ns=self._units[1], units=self._units[2]),
            dropped=self.dropped,
            overruns=self.overruns,
            problems=self.problems,
        )
        self._start_anew()
        return batch

    def _alarm_columns(self) -> AlarmColumns:
        streams, times, severities, messages = self._alarms
        return AlarmColumns(stream=streams, timestamp_ns=times, severity=severities, message=messages)

    def _connection_columns(self) -> ConnectionColumns:
        streams, times, states = self._connections
        return ConnectionColumns(stream=streams, timestamp_ns=times, state=states)
