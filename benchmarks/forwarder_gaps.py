"""Gaps in counting records, looked for on the topic: the proof that nothing was lost between PV and Kafka."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks.harness import Result
from testbeam.transport.kafka.client import Kafka
from testbeam.wire.flatbuffers.schemas.columns_f144 import decode_f144_columns

RATE_HZ = 10


@dataclass(slots=True)
class Gaps:
    """Counts what is there and what is missing, of PVs that count at 10 Hz; a PV may begin anew at each reading."""

    names: Sequence[str]
    updates: int = 0
    missing: int = 0
    silent: int = 0  # PVs with fewer updates than the time demands
    _last: dict[str, float] = field(default_factory=dict)
    _counts: dict[str, int] = field(default_factory=dict)

    def read(self, kafka: Kafka, topic: str, since: Mapping[int, int], seconds: float) -> None:
        """Read what came to the topic since these offsets, of which there should be `seconds` at least."""
        self._last, self._counts = {}, {}
        with kafka.reader() as reader:
            ends = {p: high for p, (_, high) in reader.watermarks(topic).items()}
            for messages in reader.between({(topic, p): (since.get(p, 0), end) for p, end in ends.items()}):
                payloads = [payload for message in messages if (payload := message.value() or b"")[4:8] == b"f144"]
                self._take(payloads)
        self.silent += sum(self._counts.get(name, 0) < seconds * RATE_HZ for name in self.names)

    def _take(self, payloads: Sequence[bytes]) -> None:
        for columns in decode_f144_columns(payloads).columns:
            for name, _, _, values in columns.by_source():
                before = self._last.get(name, values[0] - 1)
                self.missing += int(np.sum(np.diff(values, prepend=before) != 1))
                self._last[name] = values[-1]
                self._counts[name] = self._counts.get(name, 0) + len(values)
                self.updates += len(values)

    def result(self, name: str) -> Result:
        """Return the figure: how many are missing of how many."""
        lost = self.missing + self.silent
        return Result(name=name, value=lost, unit="", baseline=self.updates, ratio=lost / max(1, self.updates), target="0", ok=not lost)
