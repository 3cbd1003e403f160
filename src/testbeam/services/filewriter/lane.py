"""How accepted messages wait for their writer modules: one lane for each kind of module on a topic.

A flush sorts everything that waits by source and hands each module its rows at once, so that thousands of slow sources cost no more
writes than a few fast ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbeam.services.filewriter.batches import Batch
from testbeam.services.filewriter.modules.base import WriterModule
from testbeam.services.filewriter.rows import Rows
from testbeam.services.filewriter.window import Slots, Taken, TimesNs, Window


@dataclass(slots=True)
class Lane:
    """`slot_of` numbers the sources; `targets[slot]` are the modules that write one; `shape` is that of the messages taken."""

    window: Window
    slot_of: dict[str, int]
    targets: Sequence[Sequence[WriterModule[Any]]]
    shape: str = ""
    accepted: int = 0  # messages that are in the file, or will be
    waiting_bytes: int = 0
    _parts: list[tuple[Slots, TimesNs, Rows]] = field(default_factory=list)
    _before: dict[int, tuple[TimesNs, Rows]] = field(default_factory=dict)
    _names: Sequence[str] = ()
    _slots: Slots = field(default_factory=lambda: np.empty(0, np.int32))

    def slots(self, batch: Batch) -> Slots:
        """Return the slot of each message, -1 for sources that are not in this lane."""
        if batch.source_names != self._names:  # often those of the batch before
            get = self.slot_of.get
            self._names, self._slots = batch.source_names, np.array([get(name, -1) for name in batch.source_names], np.int32)
        return self._slots[batch.source]

    def take(self, partition: int, batch: Batch, slots: Slots, chosen: NDArray[np.bool_], kafka_ns: int) -> Taken:
        """Keep what the window accepts of the chosen messages; `kafka_ns` as in `Window.take`."""
        which = np.flatnonzero(chosen)
        slots, times = slots[which], batch.times_ns[which]
        taken = self.window.take(partition, slots, times, kafka_ns)
        if len(taken.rows):
            self._parts.append((slots[taken.rows], times[taken.rows], batch.rows.select(which[taken.rows])))
            self.waiting_bytes += batch.nbytes * len(taken.rows) // len(batch.rows)
        self.accepted += len(which) - taken.outside - taken.same_time
        for row in taken.before:
            self._before[int(slots[row])] = (times[row : row + 1], batch.rows.select(which[row : row + 1]))
        return taken

    def flush(self) -> None:
        """Hand all that waits to the modules, which write it."""
        if not self._parts:
            return
        touched = set()
        for slot, times, rows in type(self._parts[0][2]).by_slot(self._parts):
            touched.add(slot)
            self._write_before(slot)
            for module in self.targets[slot]:
                module.write(times, rows)
        self._parts.clear()
        self.waiting_bytes = 0
        for slot in touched:
            for module in self.targets[slot]:
                module.flush()
        self.window.close_before(np.fromiter(touched, np.int32))

    def finish(self, stop_ns: int) -> tuple[int, int]:
        """Write everything, also sources with nothing but a value before the start, and cut at the stop.

        Returns how many messages were cut off, and how many did not fit their datasets.
        """
        self.flush()
        for slot in sorted(self._before):
            self._write_before(slot)
        removed = misfits = 0
        for modules in self.targets:
            removed += min([module.cut(stop_ns) for module in modules])
            misfits += min(module.misfits for module in modules)
            for module in modules:
                module.finish()
        self.accepted -= removed + misfits
        return removed, misfits

    def _write_before(self, slot: int) -> None:
        if slot in self._before:
            for module in self.targets[slot]:
                module.write(*self._before[slot])
            del self._before[slot]
