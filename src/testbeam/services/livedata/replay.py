"""Replay: the data of one job from an offset on, until it has caught up with what its worker reads.

The job stays known to the worker, which gives it no data meanwhile. Worker and replay are steps of one loop: when the replay's next
offsets are those of the worker, the job takes over without a message lost or doubled.
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
from testbeam.services.livedata.workflows.seam import Temporality
from testbeam.transport.kafka.client import Reader

Offsets = Mapping[tuple[str, int], int]

_STEP_S = 0.2


class Replay:
    """The replay of one job; `is_told` says whether its results are given out, or were so by another worker before."""

    def __init__(self, job: Job, reader: Reader, offsets: Offsets, topics: InstrumentTopics, streams: StreamMap, *, is_told: bool) -> None:
        self.job = job
        self._is_told = is_told
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
            self._keep_last()
        if self._has_caught_up(ends):
            if not self._is_told:
                self.job.flush()
                self._keep_last()
                self.job.results += self._last
            self._reader.close()
            return True
        self.job.is_replaying = True
        return False

    def close(self) -> None:
        """Leave Kafka."""
        self._reader.close()

    def _keep_last(self) -> None:
        """Of results that were given out before keep the last, without what is of a window alone and would count twice."""
        if self._is_told or not self.job.results:
            return
        last = self.job.results[-1]
        outputs = [one for one in last.outputs if one.temporality is not Temporality.WINDOW]
        self._last = [replace(last, outputs=outputs)]
        self.job.results.clear()

    def _has_caught_up(self, ends: Offsets) -> bool:
        return all(offset >= ends.get(place, 0) for place, offset in self._reading.next_offsets.items())
