"""Times of instrument control, to be ready beside Kafka, to load setups, to move, to evaluate; and its memory.

The baselines are the targets: ready 3 s, three setups 0.5 s, a move 50 ms over the device's own time, an evaluation 2 ms, 250 MB.
"""

import statistics
import time

import psutil

from benchmarks.harness import Result, at_most
from testbeam.kit.stack import Stack
from testbeam.stacks.control import control_stack
from testbeam.stacks.roles.broker.declaration import broker

_PARTS = ("cache", "poller", "collector", "daemon")
_DELAY_S = 0.35
_SETUPS = ("system", "epics_basic", "detector")


def run() -> list[Result]:
    """Measure one stack on a broker that is up."""
    with Stack(broker()).run() as running:
        begin_s = time.perf_counter()
        with control_stack(bootstrap=running["broker"].endpoints["kafka"], pv_delay_s=_DELAY_S).run() as run:
            ready_s = time.perf_counter() - begin_s
            with run["daemon"].client(user="admin", password="admin") as client:  # type: ignore[attr-defined]
                setups_s = [timed(lambda: client.NewSetup(*_SETUPS)) for _ in range(3)]
                moves_s = [timed(lambda target=target: client.maw(client.dev("SmokeBasicMoveable"), target)) for target in range(1, 8)]
                evals_s = [timed(lambda: client.eval("1 + 1")) for _ in range(500)]
                client.NewExperiment(1, "benchmark")
                client.SetDetectors("det")
                client.scan(client.dev("SmokeBasicMoveable"), [0, 1, 2], t=0.2)
            memory_mb = sum(psutil.Process(run[part].pid).memory_info().rss for part in _PARTS) / 1e6
    overhead_s = statistics.median(moves_s) - _DELAY_S
    return [
        at_most("control ready beside Kafka", value=ready_s, baseline=3.0, target=1.0),
        at_most("control, NewSetup of three setups", value=statistics.median(setups_s), baseline=0.5, target=1.0),
        at_most("control, maw over the device's time", value=overhead_s, baseline=0.05, target=1.0),
        at_most("control, eval p50", value=1000 * statistics.median(evals_s), baseline=2.0, target=1.0, unit="ms"),
        at_most("control, resident memory", value=memory_mb, baseline=250.0, target=1.0, unit="MB"),
    ]


def timed(call: object) -> float:
    """Return how long a call takes."""
    begin_s = time.perf_counter()
    call()  # type: ignore[operator]
    return time.perf_counter() - begin_s
