"""A job: one workflow for one source, with its windows of data time, its schedule, its resets and its state.

Windows lie on a grid of whole window lengths since 1970, so that the same data give the same results however they arrive. A window ends
when a message beyond it comes, or, so that nothing is kept back when a stream stops, when none has come for IDLE_S, or none beyond it for
far longer than the window (a source whose clock stands still); a part of a window that was given out goes on as another result that begins
where the first ended. A late message counts in the window that is open.

A run transition at a time T begins the counts anew between messages before and from T on: those from T on wait until every source that is
alive has reached T, MOST_WAIT_S at most, so that none counts in both runs or in neither. So it is where a detector moves, at the time of
its new position.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from testbeam.errors import WorkflowError
from testbeam.model.live import JobId, JobState, JobStatus, StartJob
from testbeam.model.time import NS_PER_S
from testbeam.services.livedata.workflows.seam import Data, LogSample, Output, Spec, Workflow

PULSE_NS = NS_PER_S // 14
IDLE_S = 0.5
FROZEN_S = 2.0  # over twice the window's length
MOST_WAIT_S = 3.0
MOST_TRANSITIONS = 100  # that wait for data
ALIVE_S = 5.0
UNUSABLE = "can't be used by the workflow"

Add = Callable[[int, int], Data]
Stamps = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a job gives at the end of a window; times in ns of data time."""

    outputs: Sequence[Output]
    window_start_ns: int
    start_ns: int
    time_ns: int


@dataclass(slots=True)
class _Held:
    """Messages from a run transition on, waiting for other sources to reach it."""

    source: str
    stamps_ns: Stamps
    add: Add


@dataclass(slots=True)
class Job:
    """One job; `take` feeds it, `results` is what it has to give out, to be taken away by the caller."""

    start: StartJob
    spec: Spec
    workflow: Workflow
    length_ns: int
    waits_for: set[str] = field(default_factory=set)  # auxiliary sources without a value so far
    results: list[Result] = field(default_factory=list)
    start_ns: int | None = None
    time_ns: int | None = None
    messages: int = 0
    events: int = 0
    published: int = 0
    warning: str = ""
    error: str = ""
    is_finished: bool = False
    is_replaying: bool = False  # gets its data from a replay, not from its worker
    began_ns: int | None = None  # the last run transition or move, from which on data count
    split_ns: int | None = None  # where the first message from then on begins another part of a window
    drops: Counter[str] = field(default_factory=Counter)
    _window: int | None = None
    _part_start_ns: int = 0
    _newest_ns: int = 0
    _is_dirty: bool = False
    _heard_s: float = 0.0
    _kept_back_since_s: float | None = None
    _transitions: list[int] = field(default_factory=list)
    _position: LogSample | None = None
    _moves: dict[int, tuple[str, LogSample]] = field(default_factory=dict)  # positions from a transition on
    _held: list[_Held] = field(default_factory=list)
    _held_since_s: float = 0.0
    _sources: dict[str, tuple[int, float]] = field(default_factory=dict)  # newest time, and when heard

    @property
    def job_id(self) -> JobId:
        """Return whose job it is."""
        return self.start.job_id

    @property
    def dropped(self) -> Mapping[str, int]:
        """Return the events and messages that are in no result, by reason, since the job's start."""
        return {reason: n for reason, n in (self.drops + Counter(dict(self.workflow.lost))).items() if n}

    @property
    def state(self) -> JobState:
        """Return the state that heartbeats say."""
        if self.is_finished:
            return JobState.FINISHING
        if self.waits_for:
            return JobState.PENDING_CONTEXT
        if self.start_ns is None and self.start.start_time_ns is not None and not self.messages:
            return JobState.SCHEDULED
        if self.error:
            return JobState.ERROR
        return JobState.WARNING if self.warning else JobState.ACTIVE

    def status(self, **more: object) -> JobStatus:
        """Return what a heartbeat says of the job."""
        waiting = f"waiting for a first value of {', '.join(sorted(self.waits_for))}" if self.waits_for else ""
        counts = {"messages": self.messages, "events": self.events, "results": self.published, "dropped": dict(self.dropped)}
        return JobStatus(
            job_id=self.job_id,
            workflow_id=self.start.workflow_id,
            state=self.state,
            warning=waiting or self.warning,
            error=self.error,
            start_time_ns=self.start_ns,
            end_time_ns=self.time_ns,
            more=counts | more,
        )

    def take(self, source: str, stamps_ns: Stamps, add: Add, now_s: float) -> None:
        """Take messages of a source in order: `add(i, j)` gives what messages i to j carry."""
        if self._transitions and self.spec.reset_on_run_transition:
            self._take_at_transition(source, stamps_ns, add, now_s)
        else:
            self._take(source, stamps_ns, add, now_s)

    def take_aux(self, source: str, data: Data) -> None:
        """Take what comes beside the job's source: regions of interest, a value of another PV; it counts from now on."""
        self.take_beside(source, data)
        if self.start_ns is not None:
            self._is_dirty = True  # so that what changed is seen although no data come

    def take_beside(self, source: str, data: Data) -> None:
        """Take data of an auxiliary source: they come with the job's own, and alone give no result."""
        self.waits_for.discard(source)
        if self._is_move(data, source):
            self._moves[data.timestamp_ns] = source, data
            self.run_transition(data.timestamp_ns)
        else:
            self._use(source, data)

    def tick(self, now_s: float) -> None:
        """Give out what has waited long enough for more."""
        if self._held and now_s - self._held_since_s >= MOST_WAIT_S:
            self._begin_run(now_s)
        if not self._is_dirty:
            return
        if self._kept_back_since_s is None:
            self._kept_back_since_s = now_s
        if now_s - self._heard_s >= IDLE_S or now_s - self._kept_back_since_s >= FROZEN_S + 2 * self.length_ns / NS_PER_S:
            self.flush()

    def flush(self) -> None:
        """Give out what is counted and not given out yet."""
        if not self._is_dirty:
            return
        if self._window is None:
            self._window = max(self._newest_ns, self._part_start_ns) // self.length_ns
        latest_ns = (self._window + 1) * self.length_ns
        if self.start.end_time_ns is not None:
            latest_ns = min(latest_ns, self.start.end_time_ns)
        end_ns = min(latest_ns, max(self._newest_ns + PULSE_NS, self._part_start_ns))
        self._close(max(end_ns, self._part_start_ns))

    def reset(self) -> None:
        """Give out what is counted, and begin anew."""
        self.flush()
        self._clear()

    def run_transition(self, at_ns: int) -> None:
        """Begin anew when the data reach a time."""
        if self.spec.reset_on_run_transition:
            self._transitions = sorted({*self._transitions, at_ns})
            if len(self._transitions) > MOST_TRANSITIONS:
                self._begin_run(self._heard_s)

    def _is_move(self, data: Data, source: str) -> TypeGuard[LogSample]:
        """Return whether data are a position, later than the one before and another."""
        role, before = self.spec.moves_with, self._position
        if not role or not isinstance(data, LogSample) or source != self.start.aux_source_names.get(role, self.spec.aux[role][0]):
            return False
        if np.ndim(data.value) or not np.isreal(data.value):
            return False
        if before is None:
            self._position = data
            return False
        is_move = data.timestamp_ns > before.timestamp_ns and abs(float(data.value) - float(before.value)) > self.spec.tolerance
        if is_move:
            self._position = data
        return is_move

    def _clear(self) -> None:
        self.drops.update(dict(self.workflow.lost))
        self.workflow.clear()
        self.start_ns = self.time_ns = self._window = None
        self._is_dirty = False
        self.error = self.warning = ""

    def _take(self, source: str, stamps_ns: Stamps, add: Add, now_s: float) -> None:
        if self.split_ns is not None and int(stamps_ns.max()) >= self.split_ns:
            self._take_split(source, stamps_ns, add, now_s)
            return
        for first, last in self._scheduled(stamps_ns):
            for i, j, index in self._runs(stamps_ns[first:last]):
                self._add(source, stamps_ns, first + i, first + j, index, add)
                self._heard_s = now_s
        end_ns = self.start.end_time_ns
        if end_ns is not None and not self.is_finished and int(stamps_ns.max()) >= end_ns:
            self.flush()
            self.is_finished = True

    def _take_split(self, source: str, stamps_ns: Stamps, add: Add, now_s: float) -> None:
        assert self.split_ns is not None
        split_ns, self.split_ns = self.split_ns, None
        after = int(np.flatnonzero(stamps_ns >= split_ns)[0])
        if after:
            self._take(source, stamps_ns[:after], add, now_s)
        if self._is_dirty and self._window is not None:
            self._close(min((self._window + 1) * self.length_ns, split_ns))
        self._take(source, stamps_ns[after:], _shifted(add, after), now_s)

    def _add(self, source: str, stamps_ns: Stamps, i: int, j: int, index: int, add: Add) -> None:
        if self._window is not None and index > self._window:
            if self._is_dirty:
                self._close((self._window + 1) * self.length_ns)
            self._window = None
        if self._window is None:
            self._open(index)
        self._newest_ns = int(stamps_ns[i:j].max())
        self.messages += j - i
        self._use(source, add(i, j))
        self._is_dirty = True

    def _open(self, index: int) -> None:
        start_ns, end_ns = index * self.length_ns, (index + 1) * self.length_ns
        if not start_ns <= self._part_start_ns < end_ns:
            self._part_start_ns = max(start_ns, min(self.start.start_time_ns or 0, end_ns))
        self._window = index
        if self.start_ns is None or self.start_ns >= end_ns:  # a start in what turned out to be the future
            self.start_ns = self._part_start_ns

    def _close(self, end_ns: int) -> None:
        self._kept_back_since_s = None
        try:
            outputs = self.workflow.outputs()
        except WorkflowError as error:
            self.error = str(error)
            return
        except Exception as error:  # a workflow may be anybody's code: its job says so, the others go on
            self.error = f"{type(error).__name__}: {error}"
            return
        self.error = ""
        start_ns = self.start_ns if self.start_ns is not None else self._part_start_ns
        self.time_ns = max(end_ns, start_ns)
        if outputs:
            self.results.append(
                Result(outputs=outputs, window_start_ns=min(self._part_start_ns, end_ns), start_ns=start_ns, time_ns=self.time_ns)
            )
            self.published += 1
        self._part_start_ns = end_ns
        self._is_dirty = False
        if self._window is not None and end_ns >= (self._window + 1) * self.length_ns:
            self._window = None

    def _use(self, source: str, data: Data) -> None:
        try:
            self.workflow.add(source, data)
            self.warning = ""
        except WorkflowError as error:
            self._unusable(str(error), data)
        except Exception as error:  # as in `_close`
            self._unusable(f"{type(error).__name__}: {error}", data)
        self.events += _events(data)

    def _unusable(self, problem: str, data: Data) -> None:
        self.warning = problem
        self.drops[UNUSABLE] += _events(data) or 1

    def _scheduled(self, stamps_ns: Stamps) -> list[tuple[int, int]]:
        """Return the stretches of messages within the schedule."""
        start_ns, end_ns = self.start.start_time_ns, self.start.end_time_ns
        if self.is_finished:
            return []
        if start_ns is None and end_ns is None:
            return [(0, len(stamps_ns))]
        inside = np.ones(len(stamps_ns) + 2, np.bool_)
        inside[0] = inside[-1] = False
        inside[1:-1] = (stamps_ns >= (start_ns or 0)) & (stamps_ns < (2**63 - 1 if end_ns is None else end_ns))
        edges = np.flatnonzero(np.diff(inside)).tolist()
        return list(zip(edges[::2], edges[1::2], strict=True))

    def _runs(self, stamps_ns: Stamps) -> list[tuple[int, int, int]]:
        """Return stretches of messages of one window each, with its index; late ones belong to the window that is open."""
        index = stamps_ns // self.length_ns
        if self._window is not None:
            if int(index.max()) <= self._window:
                return [(0, len(stamps_ns), self._window)]
            index = np.maximum(index, self._window)
        index = np.maximum.accumulate(index)
        edges = [0, *(np.flatnonzero(np.diff(index)) + 1).tolist(), len(stamps_ns)]
        return [(i, j, int(index[i])) for i, j in pairwise(edges) if j > i]

    def _take_at_transition(self, source: str, stamps_ns: Stamps, add: Add, now_s: float) -> None:
        at_ns = self._transitions[0]
        newest_ns, _ = self._sources.get(source, (0, 0.0))
        self._sources[source] = max(newest_ns, int(stamps_ns.max())), now_s
        after = stamps_ns >= at_ns
        edges = [0, *(np.flatnonzero(np.diff(after)) + 1).tolist(), len(stamps_ns)]
        for i, j in pairwise(edges):
            part = _shifted(add, i)
            if not after[i]:
                self._take(source, stamps_ns[i:j], part, now_s)
                continue
            if not self._held:
                self._held_since_s = now_s
            self._held.append(_Held(source, stamps_ns[i:j], part))
        if self._held and all(newest >= at_ns for newest, heard_s in self._sources.values() if now_s - heard_s < ALIVE_S):
            self._begin_run(now_s)

    def _begin_run(self, now_s: float) -> None:
        at_ns = self.began_ns = self._transitions.pop(0)
        self.reset()
        if at_ns in self._moves:
            self._use(*self._moves.pop(at_ns))
        held, self._held = self._held, []
        for one in held:
            self.take(one.source, one.stamps_ns, one.add, now_s)


def _shifted(add: Add, by: int) -> Add:
    return lambda i, j: add(i + by, j + by)


def _events(data: Data) -> int:
    times = getattr(data, "time_of_flight_ns", None)
    return 0 if times is None else len(times)
