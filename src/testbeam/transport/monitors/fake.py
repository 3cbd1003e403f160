"""PVs of the protocol FAKE: seeded random numbers, for tests without an IOC."""

import random
from dataclasses import dataclass, field

from testbeam.model.samples import ConnectionState
from testbeam.model.time import NS_PER_MS
from testbeam.model.updates import Form, UpdateBatch
from testbeam.transport.monitors.batch_builder import BatchBuilder
from testbeam.transport.monitors.protocols import Clock


@dataclass(slots=True)
class FakeMonitors:
    """Gives each stream a number within 0 … 100 once a period, from the moment it was subscribed; a seed gives the same numbers."""

    period_ms: int
    seed: int
    clock: Clock
    _due_ns: dict[int, int] = field(default_factory=dict)
    _random: dict[int, random.Random] = field(default_factory=dict)
    _builder: BatchBuilder = field(default_factory=BatchBuilder)

    def subscribe(self, stream: int, channel: str, *, units: bool = False) -> None:
        """Start a sequence that depends on the seed and the name alone."""
        now_ns = self.clock()
        self._random[stream] = random.Random(f"{self.seed} {channel}")
        self._due_ns[stream] = now_ns
        self._builder.connection(stream, now_ns, ConnectionState.CONNECTED)
        self._builder.alarm(stream, now_ns, 0, "")
        if units:
            self._builder.unit(stream, now_ns, "")

    def unsubscribe(self, stream: int) -> None:
        """End the sequence."""
        self._due_ns.pop(stream, None)
        self._random.pop(stream, None)

    def drain(self) -> UpdateBatch:
        """Return one row for each stream whose time has come; one that is late by several periods gets one row."""
        now_ns = self.clock()
        streams, values, times = self._builder.rows(Form.SCALAR, "f8")
        for stream, due_ns in self._due_ns.items():
            if due_ns <= now_ns:
                streams.append(stream)
                values.append(self._random[stream].uniform(0, 100))
                times.append(now_ns)
                period_ns = self.period_ms * NS_PER_MS
                self._due_ns[stream] = due_ns + period_ns * (1 + (now_ns - due_ns) // period_ns)
        return self._builder.take()

    def wake(self, file: int) -> None:
        """Do nothing: values are made when they are asked for, and none is urgent."""

    def close(self) -> None:
        """Forget all streams."""
        self._due_ns.clear()
        self._random.clear()
