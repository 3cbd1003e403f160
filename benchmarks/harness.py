"""Fair comparison of two ways of doing one thing, and the file that the figures go to.

Contenders take turns within one run, so that a busy machine hurts them alike; CPU time is taken, and the median of the rounds.
Only ratios of one run mean anything: figures of two machines, or two days, do not compare.
"""

import gc
import json
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One figure of `benchmarks/results.json`; `ratio` is what `target` is about, `ok` whether it is reached."""

    name: str
    value: float
    unit: str
    baseline: float
    ratio: float
    target: str
    ok: bool


def at_least(name: str, *, value: float, baseline: float, target: float, unit: str = "µs") -> Result:
    """Return the result of something that should take `target` times less than the baseline, or better."""
    ratio = baseline / value
    return Result(name=name, value=value, unit=unit, baseline=baseline, ratio=ratio, target=f"≥ {target:g} ×", ok=ratio >= target)


def at_most(name: str, *, value: float, baseline: float, target: float, unit: str = "s") -> Result:
    """Return the result of something that should take no more than `target` times the baseline."""
    ratio = value / baseline
    return Result(name=name, value=value, unit=unit, baseline=baseline, ratio=ratio, target=f"≤ {target:g} ×", ok=ratio <= target)


def interleaved(*contenders: Callable[[], Any], rounds: int = 21, round_s: float = 0.004) -> list[float]:
    """Return each contender's median CPU time per call, in seconds; each round lets every one run for about `round_s`."""
    counts = [_calls_within(contender, round_s) for contender in contenders]
    samples: list[list[float]] = [[] for _ in contenders]
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for contender, count, sample in zip(contenders, counts, samples, strict=True):
                sample.append(_cpu_time_s(contender, count) / count)
    finally:
        if collecting:
            gc.enable()
    return [statistics.median(sample) for sample in samples]


def table(results: Iterable[Result]) -> str:
    """Return the results as text to look at."""
    head = f"{'':38}{'ours':>12}{'baseline':>12}{'ratio':>9}  target"
    return "\n".join([head, *map(_row, results)])


def write_results(results: Iterable[Result], path: Path = RESULTS) -> None:
    """Write the results as JSON, in place of those of the same names; others in the file stay."""
    kept = {entry["name"]: entry for entry in json.loads(path.read_text())} if path.exists() else {}
    kept |= {result.name: asdict(result) for result in results}
    path.write_text(json.dumps(list(kept.values()), indent=2, ensure_ascii=False) + "\n")


def _row(r: Result) -> str:
    missed = "" if r.ok else "  MISSED"
    return f"{r.name:38}{r.value:9.3f} {r.unit:2}{r.baseline:9.3f} {r.unit:2}{r.ratio:9.2f}  {r.target}{missed}"


def _calls_within(contender: Callable[[], Any], round_s: float) -> int:
    count = 1
    while (took_s := _cpu_time_s(contender, count)) < round_s / 4:
        count *= 4
    return max(1, round(count * round_s / took_s))


def _cpu_time_s(contender: Callable[[], Any], count: int) -> float:
    started_s = time.process_time()
    for _ in range(count):
        contender()
    return time.process_time() - started_s
