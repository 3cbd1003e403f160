"""Gaps in counting records, looked for on the topic: the proof that nothing was lost between PV and Kafka."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import Result
from testbeam.model.time import NS_PER_S
from testbeam.transport.kafka.client import Kafka
from testbeam.wire.flatbuffers.schemas.columns_f144 import decode_f144_columns

RATE_HZ = 10
_AT_ONCE = 100_000


@dataclass(slots=True)
class Gaps:
    """Counts what is there and what is missing, of PVs that count at 10 Hz; a PV may begin anew at each reading."""

    names: Sequence[str]
    updates: int = 0
    missing: int = 0
    silent: int = 0  # PVs with fewer updates than the time demands
    per_s: float = 0.0  # updates, by their EPICS times, of the last reading
    _last: NDArray[np.float64] = field(init=False)  # by PV, NaN before its first
    _counts: NDArray[np.int64] = field(init=False)
    _places: dict[str, int] = field(init=False)
    _span_ns: tuple[int, int] = field(init=False)  # EPICS times of the first update and the last

    def __post_init__(self) -> None:
        self._places = {name: place for place, name in enumerate(self.names)}

    def read(self, kafka: Kafka, topic: str, since: Mapping[int, int], seconds: float) -> None:
        """Read what came to the topic since these offsets, of which there should be `seconds` at least."""
        self._last, self._counts = np.full(len(self.names), np.nan), np.zeros(len(self.names), np.int64)
        before, self._span_ns = self.updates, (2**63 - 1, 0)
        payloads: list[bytes] = []
        with kafka.reader() as reader:
            ends = {p: high for p, (_, high) in reader.watermarks(topic).items()}
            for messages in reader.between({(topic, p): (since.get(p, 0), end) for p, end in ends.items()}):
                payloads += [payload for message in messages if (payload := message.value() or b"")[4:8] == b"f144"]
                if len(payloads) >= _AT_ONCE:
                    self._take(payloads)
                    payloads = []
        self._take(payloads)
        self.silent += int(np.sum(self._counts < seconds * RATE_HZ))
        first_ns, last_ns = self._span_ns
        self.per_s = (self.updates - before) / max(1, last_ns - first_ns) * NS_PER_S

    def _take(self, payloads: Sequence[bytes]) -> None:
        for columns in decode_f144_columns(payloads).columns:
            pv = np.array([self._places[name] for name in columns.source_names], np.intp)[columns.source]
            order = pv.argsort(kind="stable")
            pv, values = pv[order], columns.value[order].astype(np.float64)
            is_first = np.diff(pv, prepend=-1) != 0
            before = np.concatenate(([np.nan], values[:-1]))
            before[is_first] = self._last[pv[is_first]]
            self.missing += int(np.sum(~np.isnan(before) & (values - before != 1)))
            is_last = np.diff(pv, append=-1) != 0
            self._last[pv[is_last]] = values[is_last]
            self._counts += np.bincount(pv, minlength=len(self.names))
            self.updates += len(pv)
            first_ns, last_ns = self._span_ns
            self._span_ns = min(first_ns, int(columns.timestamp_ns.min())), max(last_ns, int(columns.timestamp_ns.max()))

    def result(self, name: str) -> Result:
        """Return the figure: how many are missing of how many."""
        lost = self.missing + self.silent
        return Result(name=name, value=lost, unit="", baseline=self.updates, ratio=lost / max(1, self.updates), target="0", ok=not lost)
