"""Live data as a client on Kafka sees it: sends commands and data, and waits for answers, results and heartbeats."""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from uuid import uuid4

import numpy as np

from testbeam.errors import WaitTimeout, WireError
from testbeam.instruments.topics import InstrumentTopics
from testbeam.model.arrays import LabelledArray
from testbeam.model.deadline import Deadline
from testbeam.model.live import ResultKey
from testbeam.model.samples import Events, LogValue
from testbeam.model.time import NS_PER_MS, NS_PER_S
from testbeam.wire.livedata_messages import decode_result_key
from testbeam.wire.livedata_regions import region_request

S, MS = NS_PER_S, NS_PER_MS
PULSE_NS = 71_428_571
ANSWER_S = 20.0
RESULT_S = 30.0
SILENCE_S = 1.0  # in which nothing more is expected


class Result:
    """One result: whose, and what it says."""

    def __init__(self, key: ResultKey, array: LabelledArray) -> None:
        self.key, self.array = key, array

    def data(self, name: str) -> Any:
        """Return the data of a variable."""
        variable = self.array.variable(name)
        assert variable is not None, f"no {name!r} among {[one.name for one in self.array.variables]}"
        return variable.data

    def unit(self, name: str) -> str | None:
        """Return the unit of a variable."""
        variable = self.array.variable(name)
        return None if variable is None else variable.unit

    @property
    def values(self) -> Any:
        """Return the signal."""
        return np.asarray(self.data("signal"))

    @property
    def span_ns(self) -> tuple[int, int]:
        """Return start_time and time."""
        return int(self.data("start_time")), int(self.data("time"))


class Live:
    """One instrument's live data."""

    def __init__(self, broker: Any, instrument: str, *, is_ours: bool) -> None:
        self.broker, self.instrument, self.is_ours = broker, instrument, is_ours
        self.topics = InstrumentTopics(prefix=instrument)
        self.results: list[Result] = []
        self.answers: list[dict[str, Any]] = []
        self.statuses: list[tuple[str, dict[str, Any]]] = []
        self._jobs: list[tuple[str, str]] = []
        self._newest_ns = 0
        self._tails = {name: broker.topic(name).tail() for name in (self.topics.results, self.topics.responses, self.topics.heartbeat)}

    def close(self) -> None:
        """Stop the jobs that this test has started, and leave."""
        for source, number in self._jobs:
            self.command({"kind": "job_command", "message_id": str(uuid4()), "job_id": _job(source, number), "action": "stop"})
        for tail in self._tails.values():
            tail.close()
        if not self.is_ours:  # others' batches follow the newest data: those of the next test must not lie before those of this one
            time.sleep(max(0.0, (self._newest_ns - time.time_ns()) / S + 1.0))

    def update(self) -> None:
        """Take in what has come."""
        for record in self._tails[self.topics.responses].read(0.01):
            self.answers.append(json.loads(record.payload))
        for record in self._tails[self.topics.results].read(0.01):
            try:
                self.results.append(Result(decode_result_key(record.value.source_name), record.value))
            except (WireError, AttributeError):
                continue
        for record in self._tails[self.topics.heartbeat].read(0.01):
            self.statuses.append((record.value.service_id, json.loads(record.value.status_json)))

    def wait(self, condition: Callable[[], Any], within_s: float, what: str) -> Any:
        """Return what a condition gives once it is true.

        Raises:
            WaitTimeout: it is not in time.
        """
        deadline = Deadline(within_s)
        while True:
            late = deadline.passed
            self.update()
            found = condition()
            if found:
                return found
            if late:
                raise WaitTimeout(f"no {what} within {within_s:g} s; answers {self.answers[-3:]}, {len(self.results)} results")

    def watch(self, seconds: float) -> None:
        """Take in what comes for a time, to see that something does not."""
        deadline = Deadline(seconds)
        while not deadline.passed:
            self.update()

    # --- commands ---

    def command(self, document: Any) -> None:
        """Send a command as it is: bytes, or what JSON takes."""
        payload = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.broker.topic(self.topics.commands).produce(payload)

    def start(self, workflow: str, source: str, params: Mapping[str, Any] | None = None, **more: Any) -> str:
        """Start a job and wait for its acknowledgement; return its number."""
        number = more.pop("number", str(uuid4()))
        answer = self.ask(self.start_command(workflow, source, number, params, **more))
        assert answer["response"] == "ACK", answer
        self._jobs.append((source, number))
        return str(number)

    def start_command(
        self, workflow: str, source: str, number: str, params: Mapping[str, Any] | None = None, **more: Any
    ) -> dict[str, Any]:
        """Return a start command."""
        return {
            "kind": "workflow_config",
            "identifier": {"instrument": self.instrument, "name": workflow, "version": 1},
            "message_id": str(uuid4()),
            "job_id": _job(source, number),
            "schedule": {"start_time": None, "end_time": None},
            "aux_source_names": {},
            "params": dict(params or {}),
        } | more

    def act(self, action: str, source: str, number: str) -> dict[str, Any]:
        """Send a command to a job; return its answer."""
        return self.ask({"kind": "job_command", "message_id": str(uuid4()), "job_id": _job(source, number), "action": action})

    def ask(self, document: dict[str, Any]) -> dict[str, Any]:
        """Send a command; return its one answer."""
        self.command(document)
        (answer,) = self.answers_to(document["message_id"], 1)
        return answer

    def answers_to(self, message_id: str | None, count: int, within_s: float = ANSWER_S) -> list[dict[str, Any]]:
        """Return the answers to a command once there are so many."""

        def found() -> list[dict[str, Any]]:
            return [one for one in self.answers if one["message_id"] == message_id]

        self.wait(lambda: len(found()) >= count, within_s, f"{count} answers to {message_id}")
        return found()

    # --- data ---

    def now_ns(self) -> int:
        """Return now, at the beginning of a second of data time that is not over."""
        return time.time_ns() // S * S

    def events(self, topic: str, source: str, at_ns: int | None, times_ns: Sequence[int], pixels: Sequence[int] | None = None) -> None:
        """Send events of one pulse; None for a message without a pulse."""
        pulses = [] if at_ns is None else [at_ns]
        if at_ns is not None and at_ns < time.time_ns() + 60 * S:
            self._newest_ns = max(self._newest_ns, at_ns)
        self.broker.topic(topic).produce(
            Events(
                source_name=source,
                message_id=1,
                reference_time_ns=np.array(pulses, np.int64),
                reference_time_index=np.zeros(len(pulses), np.int32),
                time_of_flight_ns=np.array(times_ns, np.int32),
                pixel_id=np.array([1] * len(times_ns) if pixels is None else pixels, np.int32),
            )
        )

    def monitor(self, source: str, at_ns: int, count: int, time_ns: int = 10 * MS) -> None:
        """Send so many events of a monitor in one pulse, all at one time of flight."""
        self.events(self.topics.beam_monitor, source, at_ns, [time_ns] * count)

    def panel(self, at_ns: int, pixels: Sequence[int], time_ns: int = 10 * MS) -> None:
        """Send events of the panel in one pulse, one a pixel."""
        self.events(self.topics.detector, "panel_0", at_ns, [time_ns] * len(pixels), pixels)

    def pass_time(self, send: Callable[[int], None], from_ns: int, seconds: int = 3) -> None:
        """Send messages without events that are some windows later, so that windows before are given out by any service."""
        for second in range(1, seconds + 1):
            send(from_ns + second * S)

    def value(self, source: str, at_ns: int, number: float) -> None:
        """Send a value of a PV."""
        self.broker.topic(self.topics.motion).produce(LogValue(source_name=source, value=np.float64(number), timestamp_ns=at_ns))

    def regions(self, source: str, number: str, kind: str, shapes: Mapping[int, tuple[Sequence[float], Sequence[float]]]) -> None:
        """Send a set of regions: index → x, y in pixel indices."""
        self.broker.topic(self.topics.regions).produce(region_request(f"{source}/{number}", kind, shapes))

    # --- results ---

    def of(self, number: str, output: str) -> list[Result]:
        """Return the results of a job's output so far."""
        return [one for one in self.results if one.key.job_id.job_number == number and one.key.output_name == output]

    def sum_of(self, number: str, output: str = "counts_total") -> float:
        """Return the sum of an output over all results of a job so far."""
        return float(sum(one.values.sum() for one in self.of(number, output)))

    def wait_sum(self, number: str, expected: float, output: str = "counts_total") -> list[Result]:
        """Wait until the results of a job's output sum up to a number; return them."""
        self.wait(
            lambda: self.sum_of(number, output) >= expected, RESULT_S, f"{expected} in {output}, so far {self.sum_of(number, output)}"
        )
        assert self.sum_of(number, output) == expected
        return self.of(number, output)

    def wait_result(self, number: str, output: str, fits: Callable[[Result], bool] = lambda _: True) -> Result:
        """Return the first result of a job's output that fits."""
        found = self.wait(lambda: [one for one in self.of(number, output) if fits(one)], RESULT_S, f"result {output} that fits")
        result: Result = found[0]
        return result

    def wait_status(self, source: str, number: str, states: Iterable[str]) -> dict[str, Any]:
        """Return the message of the last heartbeat of a job once its state is one of these."""
        wanted = set(states)

        def found() -> dict[str, Any] | None:
            seen = [status["message"] for name, status in self.statuses if name == f"{source}:{number}"]
            return seen[-1] if seen and seen[-1]["state"] in wanted else None

        message: dict[str, Any] = self.wait(found, RESULT_S, f"status {sorted(wanted)} of {source}:{number}")
        return message


def _job(source: str, number: str) -> dict[str, str]:
    return {"source_name": source, "job_number": number}
