"""Cost of live data, from messages to counts: `testbeam bench livedata`.

Counting is held against the least that numpy can do on the same arrays, a look-up of each pixel's cell and a bincount, and against
grouping by scipp (a second's 14 messages into an image with 100 bins of time, as workflows on it do). Times are CPU.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np

from benchmarks.harness import Result, at_least, at_most, interleaved
from testbeam.instruments.loader import Detector, View
from testbeam.instruments.pixels import pixel_table
from testbeam.model.samples import Events
from testbeam.services.livedata.counting import ONE_PASS, ImageCounter
from testbeam.services.livedata.inputs import Portion, portions
from testbeam.services.livedata.params import time_axis
from testbeam.wire.flatbuffers.schemas.events_ev44 import encode_ev44

MESSAGES = 14
BINS = 100


def run() -> list[Result]:
    """Return all figures; takes about 20 s."""
    ONE_PASS.load()
    return [*_image(128, 10_000), *_image(128, 100_000), *_image(1024, 10_000), _small_messages(), _memory()]


def _image(side: int, count: int) -> list[Result]:
    """Return the figures of a view: all that is done with 14 messages, from bytes to counts."""
    payloads, pixels, times = _messages(side, count)
    counter = _counter(side)
    table_of_cells = np.arange(side * side)

    def ours() -> Any:
        for one in portions(payloads, [0] * MESSAGES):
            assert isinstance(one, Portion)
            data: Any = one.data(0, len(one.rows))
            counter.add(data.pixel_id, data.time_of_flight_ns)

    def least() -> Any:
        return np.bincount(table_of_cells[pixels - 1], minlength=side * side)

    ours()
    name = f"live data, {side}² image, {count // 1000}k events a message"
    least_s, ours_s = interleaved(least, ours, rounds=15, round_s=0.02)
    results = [at_most(f"{name}: look-up + bincount", value=ours_s * 1e3, baseline=least_s * 1e3, target=2, unit="ms")]
    by_scipp = _by_scipp(side, pixels, times)
    if by_scipp is not None:
        scipp_s, again_s = interleaved(by_scipp, ours, rounds=3, round_s=0.02)
        results.append(at_least(f"{name}: scipp", value=again_s * 1e3, baseline=scipp_s * 1e3, target=15, unit="ms"))
    return results


def _counter(side: int) -> ImageCounter:
    detector = Detector(name="d", title="", first_id=1, dims={"y": side, "x": side}, sources=("d",), production=())
    view = View(name="v", title="", detectors=("d",), axes={"y": ("y",), "x": ("x",)})
    axis, in_range = time_axis({}, None)
    pixels = pixel_table(detector, view)
    return ImageCounter(pixels, axis, in_range)


def _messages(side: int, count: int) -> tuple[list[bytes], Any, Any]:
    rng = np.random.default_rng(0)
    pixels = rng.integers(1, side * side + 1, (MESSAGES, count)).astype(np.int32)
    times = rng.integers(0, 71_000_000, (MESSAGES, count)).astype(np.int32)
    payloads = [
        encode_ev44(
            Events(
                source_name="d",
                message_id=n,
                reference_time_ns=np.array([1_700_000_000_000_000_000 + n * 71_428_571]),
                reference_time_index=np.zeros(1, np.int32),
                time_of_flight_ns=times[n],
                pixel_id=pixels[n],
            )
        )
        for n in range(MESSAGES)
    ]
    return payloads, pixels.ravel(), times.ravel()


def _by_scipp(side: int, pixels: Any, times: Any) -> Callable[[], Any] | None:
    try:
        import scipp as sc
    except ImportError:
        return None
    edges = sc.linspace("time", 0.0, 71_430_000.0, BINS + 1, unit="ns")
    numbers = sc.arange("pixel", 1, side * side + 1, dtype="int32", unit=None)

    def count() -> Any:
        events = sc.DataArray(
            sc.ones(dims=["event"], shape=[len(pixels)], unit="counts"),
            coords={
                "pixel": sc.array(dims=["event"], values=pixels, unit=None),
                "time": sc.array(dims=["event"], values=times.astype(np.float64), unit="ns"),
            },
        )
        return events.group(numbers).hist(time=edges).sum("time")

    return count


def _small_messages() -> Result:
    """Return what a message of 100 events costs a worker with a job, from bytes to counts."""
    from tests.unit.livedata.bench import TOPICS, Bench, start

    batch, bench = 200, Bench()
    bench.command(start("panel_0_xy", "panel_0", number=str(UUID(int=7))))
    payloads = _of_panel(batch)
    at_ns = bench.now_ns // 1_000_000

    def ours() -> Any:
        from testbeam.services.livedata.core import Batch

        bench.worker.take_data(Batch(topic=TOPICS.detector, partition=0, payloads=payloads, kafka_ms=[at_ns] * batch), 0.0, bench.now_ns)

    def by_library() -> Any:
        from streaming_data_types.eventdata_ev44 import deserialise_ev44

        return [deserialise_ev44(payload) for payload in payloads]

    library_s, ours_s = interleaved(by_library, ours)
    value = ours_s / batch * 1e6
    return Result(
        name="live data, message of 100 events",
        value=value,
        unit="µs",
        baseline=library_s / batch * 1e6,
        ratio=value / 10,
        target="< 10 µs each",
        ok=value < 10,
    )


def _of_panel(count: int) -> list[bytes]:
    rng = np.random.default_rng(1)
    now_ns = 1_700_000_100_000_000_000
    return [
        encode_ev44(
            Events(
                source_name="panel_0",
                message_id=n,
                reference_time_ns=np.array([now_ns + n]),
                reference_time_index=np.zeros(1, np.int32),
                time_of_flight_ns=rng.integers(0, 71_000_000, 100).astype(np.int32),
                pixel_id=rng.integers(1, 16_385, 100).astype(np.int32),
            )
        )
        for n in range(count)
    ]


def _memory() -> Result:
    """Return the resident memory of a process that counts a 1024 × 1024 view with spectra of regions."""
    program = [sys.executable, "-m", "benchmarks.livedata"]
    used_mb = float(subprocess.run(program, capture_output=True, text=True, check=True).stdout)
    name = "live data, memory of a 1024² view with spectra"
    return Result(name=name, value=used_mb, unit="MB", baseline=1000, ratio=used_mb / 1000, target="< 1 GB", ok=used_mb < 1000)


def _use_memory() -> None:
    ONE_PASS.load()
    counter, (payloads, pixels, times) = _counter(1024), _messages(1024, 10_000)
    assert payloads
    counter.set_regions({index: np.arange(1024 * 1024) % 8 == index for index in range(8)})
    for _ in range(20):
        counter.add(pixels, times)
    assert counter.regions.sum() == counter.spectrum.sum()
    (peak,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    sys.stdout.write(f"{int(peak.split()[1]) / 1024:.0f}\n")  # of this program alone; what getrusage says is its parent's, too


if __name__ == "__main__":  # the process that `_memory` starts
    _use_memory()
