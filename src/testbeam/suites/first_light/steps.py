"""The run itself: forward PVs, start a job, sweep set points while events flow, wait for the closed file."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from testbeam.clients.topics import TopicHandle
from testbeam.clients.waiting import wait_for_condition
from testbeam.kit.run import Run
from testbeam.model.time import NS_PER_MS
from testbeam.stacks.roles.broker.declaration import BrokerHandle
from testbeam.stacks.roles.filewriter.declaration import FileWriterHandle
from testbeam.stacks.roles.forwarder.declaration import ForwarderHandle
from testbeam.stacks.roles.ioc.declaration import IocHandle
from testbeam.suites.first_light.live_counts import LiveCounts
from testbeam.suites.first_light.plan import FILE_NAME, Plan

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Steps:
    """One smoke run on a stack that is up; `say` is told each step as it is taken."""

    plan: Plan
    run: Run
    say: Say
    live: LiveCounts

    def take(self) -> Path:
        """Go through the whole run and return the closed file."""
        self._forward()
        writer = self.run.service("filewriter", FileWriterHandle)
        first_pulse = self._topic(self.plan.topics.detector).count()
        start_ms, stop_ms = self.plan.window_ms(time.time_ns() // NS_PER_MS)
        self.live.start(start_ms, stop_ms)
        job = writer.client.start(
            self.plan.nexus_structure(),
            FILE_NAME,
            start_time_ms=start_ms,
            stop_time_ms=stop_ms,
            job_id=self.plan.job_id,
            run_name="smoke",
        )
        answer = job.wait_started(within_s=60)
        self.say(f"{answer.service_id} writes {FILE_NAME}: {self.plan.pulses} pulses of {self.plan.events_per_pulse:,} events")
        self._sweep(first_pulse)
        finished = job.wait_written(within_s=60)
        self.say("file closed")
        return Path(finished.file_name)

    def _forward(self) -> None:
        streams = self.plan.streams()
        client = self.run.service("forwarder", ForwarderHandle).client
        client.add(*streams)
        client.wait_for_streams(streams, within_s=60)
        motion = self._topic(self.plan.topics.motion)
        for stream in streams:
            motion.expect(source=stream.channel, schema="f144", within_s=60)
        self.say(f"{len(streams)} PVs forwarded over PVA and CA")

    def _sweep(self, first_pulse: int) -> None:
        """Put a pair of set points, VOLT over PVA and TEMP over CA, each time a share of the pulses has passed."""
        ioc, pulses = self.run.service("ioc", IocHandle), self._topic(self.plan.topics.detector)
        volt = ioc.pv(f"{self.plan.pv_prefix}VOLT")
        temp = ioc.pv(f"{self.plan.pv_prefix}TEMP", protocol="ca")
        mode, cycles = ioc.pv(f"{self.plan.pv_prefix}MODE"), ioc.pv(f"{self.plan.pv_prefix}CYCLES", protocol="ca")
        power = ioc.pv(f"{self.plan.pv_prefix}POWER")
        share = self.plan.pulses / (self.plan.steps + 2)
        for step, (volts, kelvins) in enumerate(self.plan.set_points(), start=1):
            wanted = first_pulse + round(step * share)
            wait_for_condition(lambda wanted=wanted: pulses.count() >= wanted, within_s=60, what=f"pulse {wanted} on {pulses.name}")  # type: ignore[misc]
            volt.put(volts)
            temp.put(kelvins)
            cycles.put(step)
            if step % 5 == 0:
                power.put(step // 5 % 2)
                mode.put(step // 5 % 3)
        self.say(f"{self.plan.steps} set points swept through both alarm limits, over PVA and CA")

    def _topic(self, name: str) -> TopicHandle:
        return self.run.service("broker", BrokerHandle).topic(name)
