"""A worker's decisions: what becomes of each message, which results and answers go out. Neither socket nor clock.

Messages of a topic come as they lie on it; monotonic seconds and wall clock come with them. What goes out is handed to `Outgoing`s.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from testbeam.errors import WireError
from testbeam.instruments.topics import InstrumentTopics
from testbeam.model.live import Answer, JobCommand, JobState, JobStatus, StartJob
from testbeam.model.runs import RunStart, RunStop
from testbeam.model.time import NS_PER_MS, NS_PER_S
from testbeam.runtime.counters import Drops
from testbeam.services.livedata.answers import SILENCE_S, TAKE_OVER_S, Unanswered
from testbeam.services.livedata.commands import Jobs, device_of
from testbeam.services.livedata.inputs import MALFORMED, Add, Dropped, Portion, portions
from testbeam.services.livedata.jobs import Job
from testbeam.services.livedata.plausible import StreamClock, Verdict
from testbeam.services.livedata.regions import KINDS
from testbeam.services.livedata.results import messages
from testbeam.services.livedata.streams import StreamMap, StreamStatistics
from testbeam.services.livedata.workflows.seam import EventData, LogSample
from testbeam.wire.flatbuffers.registry import decode
from testbeam.wire.flatbuffers.schemas.events_ev44 import locate
from testbeam.wire.livedata_messages import CommandError, decode_answer, decode_command, encode_answer

IMPLAUSIBLE = "implausible time"
UNMAPPED = "source that the instrument has not"
TOO_LATE = "skipped to keep up"
NOT_A_COMMAND = "not a command"

_MOST_VALUES = 100_000  # PVs whose last value is kept
_MOST_REGIONS = 1_000  # requests of regions that are kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message to be sent."""

    topic: str
    payload: bytes
    key: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Messages of one partition as they lie on it."""

    topic: str
    partition: int
    payloads: Sequence[bytes]
    kafka_ms: Sequence[int]


@dataclass(slots=True)
class _Stream:
    """One source on one partition: its clock, and messages that wait for others to confirm their times."""

    name: str
    clock: StreamClock = field(default_factory=StreamClock)
    held: list[tuple[int, Any, int]] = field(default_factory=list)  # time, data, weight


@dataclass(slots=True)
class Lags:
    """How late data are: from Kafka's time to being counted, and from their own time to Kafka's; the largest since the last look."""

    own_s: float = 0.0
    producer_s: float = 0.0
    newest_ns: int = 0

    def note(self, stamp_ns: int, kafka_ms: int, now_ns: int) -> None:
        """Note the times of one message."""
        self.own_s = max(self.own_s, now_ns / NS_PER_S - kafka_ms / 1000)
        self.producer_s = max(self.producer_s, kafka_ms / 1000 - stamp_ns / NS_PER_S)
        self.newest_ns = max(self.newest_ns, stamp_ns)

    def take(self) -> dict[str, float]:
        """Return the largest lags since the last time this was asked."""
        found = {"lag_s": round(self.own_s, 4), "producer_lag_s": round(self.producer_s, 4)}
        self.own_s = self.producer_s = 0.0
        return found


class Worker:
    """One worker of some of an instrument's services."""

    def __init__(self, topics: InstrumentTopics, streams: StreamMap, jobs: Jobs, *, designated: bool, log: logging.Logger) -> None:
        self.topics = topics
        self.streams = streams
        self.jobs = jobs
        self.statistics = StreamStatistics(streams)
        self.drops = Drops(log)
        self.lags = Lags()
        self.taken = 0
        self.is_shared = False  # whether workers share the jobs
        self._log = log
        self._unanswered = Unanswered(designated)
        self._streams: dict[tuple[str, int, str], _Stream] = {}
        self._by_name: dict[str, list[Job]] = {}
        self._values: dict[str, LogSample] = {}
        self._regions: dict[str, Any] = {}  # requests by name, of jobs of other workers and of those still to begin, too
        self._said_old_form = False

    def take_command(self, payload: bytes, now_s: float) -> list[Outgoing]:
        """Do a command; return what is to be sent, a last result before the answer."""
        try:
            command = decode_command(payload)
        except CommandError as error:
            self.drops.add(NOT_A_COMMAND, str(error))
            self._unanswered.wait(Answer(message_id=error.message_id, device=error.device, error=error.problem), now_s)
            return []
        if isinstance(command, StartJob):
            answer = self.jobs.start(command)
        else:
            self._note_old_form(command.old_form)
            answer = self.jobs.command(command)
        if answer is None:
            silent = Answer(message_id=command.message_id, device=device_of(command), error=self.jobs.why_not(command))
            self._unanswered.wait(silent, now_s, self._patience_s(command))
            return []
        sent = [*self._results(self.jobs.stopped), *self._results(self.jobs), self._answer(answer)]
        self.begin_started(now_s)
        return sent

    def _patience_s(self, command: StartJob | JobCommand) -> float:
        """Return how long others have for an answer: longer where a worker of the group may just be taking over."""
        if not self.is_shared or not isinstance(command, StartJob):
            return SILENCE_S
        return TAKE_OVER_S if self.jobs.is_hosted(command) else SILENCE_S

    def take_answer(self, payload: bytes) -> None:
        """Note what another worker, or this one, has answered."""
        try:
            self._unanswered.saw(decode_answer(payload))
        except WireError as error:
            self.drops.add(MALFORMED, f"{self.topics.responses}: {error}")

    def take_regions(self, payloads: Sequence[bytes]) -> None:
        """Give requests of regions of interest to their jobs, those that run and those still to begin; they count from the next data on."""
        by_stream = {f"{job.job_id}/{kind}": job for job in self.jobs for kind in KINDS if job.spec.regions}
        for payload in payloads:
            try:
                array = decode(payload)
            except WireError as error:
                self.drops.add(MALFORMED, f"{self.topics.regions}: {error}")
                continue
            name = getattr(array, "source_name", "")
            self._regions.pop(name, None)
            self._regions[name] = array
            if len(self._regions) > _MOST_REGIONS:
                del self._regions[next(iter(self._regions))]
            if name in by_stream:
                by_stream[name].take_aux(name, array)

    def take_run_control(self, payload: bytes) -> None:
        """Begin anew at the times of a run, for the jobs that ask for it."""
        try:
            message = decode(payload)
        except WireError as error:
            self.drops.add(MALFORMED, f"{self.topics.run_control}: {error}")
            return
        times_ms: tuple[int, ...] = ()
        if isinstance(message, RunStart):
            times_ms = message.start_time_ms, message.stop_time_ms
        elif isinstance(message, RunStop):
            times_ms = (message.stop_time_ms,)
        for job in self.jobs:
            for time_ms in filter(None, times_ms):
                job.run_transition(time_ms * NS_PER_MS)

    def take_data(self, batch: Batch, now_s: float, now_ns: int) -> None:
        """Take data of one partition."""
        self.taken += len(batch.payloads)
        for portion in portions(batch.payloads, batch.kafka_ms):
            if isinstance(portion, Dropped):
                self.drops.add(portion.reason, f"{batch.topic}: {portion.detail}")
                continue
            self.statistics.add(batch.topic, portion.source, len(portion.rows))
            name = self.streams.by_stream.get((batch.topic, portion.source))
            if name is None:
                self.drops.add(UNMAPPED, f"{batch.topic}: {portion.source!r}", len(portion.rows))
                continue
            last = int(portion.rows[-1])
            self.lags.note(int(portion.stamps_ns[-1]), batch.kafka_ms[last], now_ns)
            self._take_portion(self._stream(batch, portion.source, name), portion, batch.kafka_ms, now_s, now_ns)

    def skip_data(self, batch: Batch) -> None:
        """Count data of one partition that are not used so that newer ones are not late."""
        self.taken += len(batch.payloads)
        self.drops.add(TOO_LATE, batch.topic, len(batch.payloads))
        others = []
        for payload in batch.payloads:
            places = locate(payload)
            if places is None:
                others.append(payload)
                continue
            *_, name_at, end = places
            self._skip(batch.topic, payload[name_at:end].decode(errors="replace"), places[4])
        for portion in portions(others, [0] * len(others)):
            if isinstance(portion, Portion):
                self._skip(batch.topic, portion.source, int(portion.weights.sum()))

    def _skip(self, topic: str, source: str, weight: int) -> None:
        for job in self._by_name.get(self.streams.by_stream.get((topic, source), ""), ()):
            job.drops[TOO_LATE] += weight

    def tick(self, now_s: float) -> list[Outgoing]:
        """Return what is to be sent by now: results of windows that ended, answers to what nobody owns."""
        for key, stream in self._streams.items():
            if stream.held:
                self._resolve(stream, key[2], stream.clock.tick(now_s), now_s)
        for job in self.jobs:
            job.tick(now_s)
        sent = list(self._results(self.jobs))
        for job in [job for job in self.jobs if job.is_finished]:
            self.jobs.remove(job)
            self.begin_started(now_s)
        return sent + [self._answer(answer) for answer in self._unanswered.due(now_s)]

    def finish(self, now_s: float) -> list[Outgoing]:
        """Return the last results of all jobs."""
        for key, stream in self._streams.items():
            if stream.held:
                self._resolve(stream, key[2], Verdict.DROP, now_s)
        for job in self.jobs:
            job.flush()
        return list(self._results(self.jobs))

    def statuses(self) -> Iterator[JobStatus]:
        """Yield what heartbeats say of the jobs, once more of those that have just stopped."""
        for job in self.jobs:
            yield job.status()
        for job in self.jobs.stopped:
            status = job.status()
            yield JobStatus(
                job_id=status.job_id,
                workflow_id=status.workflow_id,
                state=JobState.STOPPED,
                start_time_ns=status.start_time_ns,
                end_time_ns=status.end_time_ns,
                more=status.more,
            )
        self.jobs.stopped.clear()

    def _take_portion(self, stream: _Stream, portion: Portion, kafka_ms: Sequence[int], now_s: float, now_ns: int) -> None:
        kafka_ns = [kafka_ms[row] * NS_PER_MS for row in portion.rows]
        of_held, verdicts = stream.clock.judge(portion.stamps_ns, kafka_ns, now_s, now_ns)
        if stream.held and of_held is not Verdict.HOLD:
            self._resolve(stream, portion.source, of_held, now_s)
        if verdicts is None:
            self._give(stream, portion.source, portion.stamps_ns, portion.data, now_s)
            return
        edges = [0, *(np.flatnonzero(np.diff(verdicts)) + 1).tolist(), len(verdicts)]
        for i, j in pairwise(edges):
            if verdicts[i] == Verdict.ACCEPT:
                self._give(stream, portion.source, portion.stamps_ns[i:j], _from(portion.data, i), now_s)
            elif verdicts[i] == Verdict.HOLD:
                held = zip(range(i, j), portion.stamps_ns[i:j].tolist(), portion.weights[i:j].tolist(), strict=True)
                stream.held += [(stamp_ns, portion.data(k, k + 1), weight) for k, stamp_ns, weight in held]
            else:
                self._drop_implausible(stream.name, j - i, int(portion.weights[i:j].sum()), int(portion.stamps_ns[i]))

    def _resolve(self, stream: _Stream, source: str, verdict: Verdict, now_s: float) -> None:
        if verdict is Verdict.HOLD:
            return
        held, stream.held = stream.held, []
        for stamp_ns, data, weight in held:
            if verdict is Verdict.ACCEPT:
                self._give(stream, source, np.array([stamp_ns], np.int64), _always(data), now_s)
            else:
                self._drop_implausible(stream.name, 1, weight, stamp_ns)

    def _drop_implausible(self, name: str, count: int, weight: int, stamp_ns: int) -> None:
        self.drops.add(IMPLAUSIBLE, f"{name}: {stamp_ns} ns", count)
        for job in self._by_name.get(name, ()):
            job.drops[IMPLAUSIBLE] += weight

    def _give(self, stream: _Stream, source: str, stamps_ns: Any, data: Add, now_s: float) -> None:
        sample = data(len(stamps_ns) - 1, len(stamps_ns))
        if isinstance(sample, LogSample) and (stream.name in self._values or len(self._values) < _MOST_VALUES):
            self._values[stream.name] = sample
        for job in self._by_name.get(stream.name, ()):
            if job.is_replaying:
                continue
            if stream.name == job.job_id.source_name:
                job.take(source, stamps_ns, data, now_s)
            else:
                job.take_beside(stream.name, data(0, len(stamps_ns)) if isinstance(sample, EventData) else sample)

    def _stream(self, batch: Batch, source: str, name: str) -> _Stream:
        key = batch.topic, batch.partition, source
        stream = self._streams.get(key)
        if stream is None:
            stream = self._streams[key] = _Stream(name)
        return stream

    def index(self) -> None:
        """Note which jobs take which streams."""
        self._by_name = {}
        for job in self.jobs:
            for name in {job.job_id.source_name, *(job.start.aux_source_names.get(role, n[0]) for role, n in job.spec.aux.items())}:
                self._by_name.setdefault(name, []).append(job)

    def begin_started(self, now_s: float) -> None:
        """Note which jobs take which streams, and give new ones the values and regions that came before them."""
        self.index()
        started, self.jobs.started = self.jobs.started, []
        for job in started:
            if job.spec.regions:
                for kind in KINDS:
                    if (request := self._regions.get(f"{job.job_id}/{kind}")) is not None:
                        job.take_aux(f"{job.job_id}/{kind}", request)
            for name, sample in self._values.items():
                if name in job.waits_for:
                    job.take_aux(name, sample)
                elif name == job.job_id.source_name and not job.is_replaying:
                    job.take(name, np.array([sample.timestamp_ns], np.int64), _always(sample), now_s)

    def _results(self, jobs: Iterable[Job]) -> Iterator[Outgoing]:
        for job in jobs:
            results, job.results = job.results, []
            for result in results:
                for is_device, payload in messages(job, result):
                    yield Outgoing(topic=self.topics.devices if is_device else self.topics.results, payload=payload)

    def _answer(self, answer: Answer) -> Outgoing:
        self._unanswered.gave(answer)
        return Outgoing(topic=self.topics.responses, payload=encode_answer(answer))

    def _note_old_form(self, is_old: bool) -> None:
        if is_old and not self._said_old_form:
            self._said_old_form = True
            self._log.warning("a job command without `kind`, as older senders leave it out; it is done all the same")


def _from(data: Add, by: int) -> Add:
    return lambda i, j: data(i + by, j + by)


def _always(data: Any) -> Add:
    return lambda _i, _j: data
