"""Replay: the data of one job from an offset on, until it has caught up with what its worker reads.

The job stays known to the worker, which gives it no data meanwhile. Worker and replay are steps of one loop: when the replay's next
offsets are those of the worker, the job takes over without a message lost or doubled.

Results that lie in Kafka already are not given out again, those that are missing are; where the last one there is a part of a window, the
replayed one is split at its end. Where nobody knows what lies there, the last result alone is given out, without what is of a window.
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import replace

from testbeam.instruments.topics import InstrumentTopics
from testbeam.services.livedata.commands import Jobs
from testbeam.services.livedata.core import Worker
from testbeam.services.livedata.jobs import Job, Result
from testbeam.services.livedata.reading import Reading
from testbeam.services.livedata.streams import StreamMap
from testbeam.services.livedata.told import Told, without_told
from testbeam.services.livedata.workflows.seam import Temporality
from testbeam.transport.kafka.client import Reader

Offsets = Mapping[tuple[str, int], int]

_STEP_S = 0.2


class Replay:
    """The replay of one job; `told` is what of its results lies in Kafka, None where that is not known."""

    def __init__(
        self, job: Job, reader: Reader, offsets: Offsets, topics: InstrumentTopics, streams: StreamMap, *, told: Told | None
    ) -> None:
        self.job = job
        self._told = told
        job.split_ns = max(told.values(), default=None) if told else None
        self._last: list[Result] = []
        self._reader = reader
        self._reading = Reading(reader)
        self._reading.begin_at(offsets)
        jobs = Jobs(instrument="", specs={}, hosted=frozenset(), length_ns=job.length_ns)
        jobs.by_id[job.job_id] = job
        self._worker = Worker(topics, streams, jobs, designated=False, log=logging.getLogger("livedata.replay"))
        self._worker.index()
        job.is_replaying = True

    def step(self, ends: Offsets, now_ns: int) -> bool:
        """Take what is there, for a while; return whether the job has caught up with `ends` and has been handed over."""
        until_s = time.monotonic() + _STEP_S
        self.job.is_replaying = False
        while not self._has_caught_up(ends) and time.monotonic() < until_s:
            for batch in self._reading.batches(ends):
                self._worker.take_data(batch, time.monotonic(), now_ns)
            self._leave_out_told()
        if self._has_caught_up(ends):
            if self._told is None or self.job.split_ns is not None:  # what is in the open window was told, as far as is known
                self.job.flush()
                self._leave_out_told()
                self.job.results += self._last
            self.job.split_ns = None
            self._reader.close()
            return True
        self.job.is_replaying = True
        return False

    def close(self) -> None:
        """Leave Kafka."""
        self._reader.close()

    def _leave_out_told(self) -> None:
        results, self.job.results = self.job.results, []
        if self._told is not None:
            self.job.results = [replace(one, outputs=outputs) for one in results if (outputs := without_told(one, self._told))]
        elif results:
            outputs = tuple(one for one in results[-1].outputs if one.temporality is Temporality.CUMULATIVE)
            self._last = [replace(results[-1], outputs=outputs)]

    def _has_caught_up(self, ends: Offsets) -> bool:
        return all(offset >= ends.get(place, 0) for place, offset in self._reading.next_offsets.items())
