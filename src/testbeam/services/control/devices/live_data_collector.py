"""Collector of live data: hears the results and heartbeats of a live-data service, and gives each channel those that it has selected.

Source: docs/reference/contracts/control.md, "Live-data channels".
"""

import threading
import time
from collections.abc import Mapping
from typing import Any, ClassVar

from testbeam.errors import DeviceError, WireError
from testbeam.model.arrays import LabelledArray
from testbeam.model.live import JobAction, JobCommand, JobId, JobStatus, ResultKey
from testbeam.model.status import ServiceStatus
from testbeam.model.time import MS_PER_S
from testbeam.services.control.devices.detector import Detector
from testbeam.services.control.devices.kafka_devices import KafkaDevice
from testbeam.services.control.devices.live_counts import Selector, running_job
from testbeam.services.control.devices.live_data import LiveDataChannel
from testbeam.services.control.devices.params import Param, words
from testbeam.services.control.devices.status import State, Status, worst
from testbeam.wire.livedata_messages import decode_result_key, decode_status, encode_command

_MISSED_HEARTBEATS = 3
_MOST_JOBS = 1000


class LiveDataCollector(Detector, KafkaDevice):
    """A detector of live-data channels."""

    parameters: ClassVar[Mapping[str, Param]] = {
        "data_topics": Param(description="topics of the results", type=words, mandatory=True),
        "status_topics": Param(description="topics of the heartbeats", type=words, default=()),
        "responses_topics": Param(description="kept for old setups", type=words, default=()),
        "commands_topic": Param(description="topic that commands go to", type=str, default=""),
        "service_name": Param(description="kept for old setups", type=str, default=""),
        "status_timeout": Param(description="how long a heartbeat may be late", default=5, unit="s"),
        "pollinterval": Param(description="how often the poller reads it", default=None),
    }
    field_names: ClassVar[tuple[str, ...]] = ("nicos_ess.devices.datasources.livedata.LiveDataCollector",)

    def init(self) -> None:
        """Take the channels, and listen."""
        self._lock = threading.Lock()
        self._statuses: dict[JobId, tuple[JobStatus, float]] = {}  # and when it is missed
        self._outputs: dict[ResultKey, None] = {}  # in the order of their coming
        self._newest: dict[tuple[str, str], JobId] = {}  # workflow and source → job whose results came first of late
        self._due_s: float | None = None
        for channel in self._live_channels():
            channel.collector = self
        super().init()

    def topics(self) -> list[str]:
        """Return the topics of results and heartbeats."""
        return list(dict.fromkeys((*self.data_topics, *self.status_topics)))

    def take(self, message: Any) -> None:
        """Take in a result or a heartbeat; what is neither is another's."""
        if isinstance(message, ServiceStatus):
            self._take_status(message)
        elif isinstance(message, LabelledArray):
            try:
                key = decode_result_key(message.source_name)
            except WireError:
                return
            self._take_result(key, message)

    def labels(self) -> dict[str, str]:
        """Return what there is to select: label → selector."""
        with self._lock:
            keys = list(self._outputs)
        return {
            f"{key.job_id.source_name} ({key.job_id.job_number[:8]}) {key.output_name}": str(
                Selector(
                    workflow_id=key.workflow_id,
                    source_name=key.job_id.source_name,
                    job_number=key.job_id.job_number,
                    output_name=key.output_name,
                )
            )
            for key in keys
        }

    def reset_job(self, selected: Selector) -> None:
        """Have the selected job begin anew; raise DeviceError where there is none or nothing to tell it by."""
        job = self._job_of(selected)
        if job is None or not self.commands_topic:
            raise DeviceError(f"{self.name}: {f'no job of {selected} is known' if self.commands_topic else 'has no commands_topic'}")
        self.send(self.commands_topic, encode_command(JobCommand(action=JobAction.RESET, job_id=job)))

    def do_status(self) -> Status:
        """Return the worst status of the channels and of the service itself."""
        return worst(self._service_status(), super().do_status())

    def _service_status(self) -> Status:
        if not self.status_topics:
            return State.OK, ""
        if self._due_s is None:
            return State.WARN, f"no live-data service was heard of on {', '.join(self.status_topics)} yet"
        return (State.OK, "") if time.monotonic() < self._due_s else (State.ERROR, "Disconnected")

    def _take_status(self, message: ServiceStatus) -> None:
        try:
            status = decode_status(message.status_json)
        except WireError:
            return
        interval_s = message.update_interval_ms / MS_PER_S
        self._due_s = time.monotonic() + interval_s + self.status_timeout
        if isinstance(status, JobStatus):
            with self._lock:
                self._statuses[status.job_id] = status, time.monotonic() + _MISSED_HEARTBEATS * max(interval_s, 1.0)
                if len(self._statuses) > _MOST_JOBS:
                    del self._statuses[next(iter(self._statuses))]

    def _take_result(self, key: ResultKey, message: LabelledArray) -> None:
        with self._lock:
            place = str(key.workflow_id), key.job_id.source_name
            if key not in self._outputs:
                self._outputs[key] = None
                self._newest[place] = key.job_id
                if len(self._outputs) > _MOST_JOBS:
                    del self._outputs[next(iter(self._outputs))]
        for channel in self._live_channels():
            selected = channel.selected
            if selected is not None and selected.takes(key, self._job_of(selected)):
                channel.take_result(message)

    def _job_of(self, selected: Selector) -> JobId | None:
        if selected.job_number:
            return JobId(source_name=selected.source_name, job_number=selected.job_number)
        with self._lock:
            now_s = time.monotonic()
            heard = [status for status, missed_s in self._statuses.values() if missed_s > now_s]
            running = running_job(heard, selected.workflow_id, selected.source_name)
            return running or self._newest.get((str(selected.workflow_id), selected.source_name))

    def _live_channels(self) -> list[LiveDataChannel]:
        return [channel for channel in self.channels if isinstance(channel, LiveDataChannel)]
