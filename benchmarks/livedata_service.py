"""Delays of live data: from the spawn of the program until it is ready, and from the end of a window to its result in Kafka.

A broker with the topics runs already at the start. Results are those of a view of fake detectors at 14 pulses a second, stamped by their
producer.
"""

import statistics
import time
from collections.abc import Iterator

from benchmarks.harness import Result, at_most
from testbeam.kit.run import Run
from testbeam.kit.stack import Stack
from testbeam.stacks.roles.broker.declaration import BrokerHandle, broker
from testbeam.stacks.roles.fakes.declaration import fake_detectors
from testbeam.stacks.roles.livedata.declaration import livedata
from testbeam.suites.livedata.live import Live

STARTS = 7
RESULTS = 30
START_TARGET_S = 1.0
RESULT_TARGET_S = 0.1


def run() -> list[Result]:
    """Return both figures; takes about 50 s."""
    with Stack(broker(), livedata(instrument="dummy")).run() as running:
        starts = [_start_s(running) for _ in range(STARTS)]
        late = _lateness_s(running)
    print(f"starts {', '.join(f'{one:.2f}' for one in starts)} s; results late by {min(late):.3f} to {max(late):.3f} s")
    return [
        at_most("live data, spawn until ready", value=statistics.median(starts), baseline=START_TARGET_S, target=1.0),
        at_most("live data, window's end to result", value=statistics.median(late), baseline=RESULT_TARGET_S, target=1.0),
    ]


def _start_s(running: Run) -> float:
    begin_s = time.perf_counter()
    with running.add(livedata(name="another", instrument="dummy")):
        return time.perf_counter() - begin_s


def _lateness_s(running: Run) -> list[float]:
    handle = running.service("broker", BrokerHandle)
    source = fake_detectors(instrument="dummy", detector_topic="dummy_detector", events_per_pulse=1000)
    with running.add(source):
        live = Live(handle, "dummy", is_ours=True)
        try:
            live.start("panel_0_xy", "panel_0")
            return list(_results_s(handle))
        finally:
            live.close()


def _results_s(handle: BrokerHandle) -> Iterator[float]:
    with handle.topic("dummy_livedata_data").tail() as tail:
        found = 0
        while found < RESULTS:
            for record in tail.read(0.5):
                if "counts_total" in str(record.value.source_name):
                    end = record.value.variable("time")
                    found += 1
                    yield record.timestamp_ms / 1e3 - int(end.data) / 1e9
