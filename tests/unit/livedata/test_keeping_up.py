"""When a worker skips data: only if it is late and falls behind; and how it tells of itself."""

import numpy as np
import pytest

from testbeam.model.arrays import AreaImage, LabelledArray, Variable
from testbeam.services.livedata.core import TOO_LATE, Batch
from testbeam.services.livedata.health import metrics
from testbeam.services.livedata.keeping_up import KeepingUp
from testbeam.wire.flatbuffers.registry import ENCODERS
from tests.unit.livedata.bench import T0, TOPICS, Bench, S, events, start

NOW = T0 + 100 * S


def skipped(keeping_up: KeepingUp, lags_s: list[float]) -> list[bool]:
    return [keeping_up.skips(lag_s, float(second)) for second, lag_s in enumerate(lags_s)]


def test_a_worker_in_time_skips_nothing() -> None:
    assert not any(skipped(KeepingUp(10.0), [0.1, 5.0, 9.9, 0.2]))


def test_a_worker_that_falls_behind_skips_until_it_is_in_time() -> None:
    assert skipped(KeepingUp(10.0), [9, 11, 12, 13, 6, 2, 0.9, 0.1]) == [False, False, True, True, True, True, False, False]


def test_a_worker_that_catches_up_skips_nothing() -> None:
    assert not any(skipped(KeepingUp(10.0), [60, 50, 40, 30, 20, 10, 1]))


def test_no_bound_skips_nothing() -> None:
    assert not any(skipped(KeepingUp(0.0), [60, 70, 80]))


def test_skipped_events_are_counted_for_their_jobs() -> None:
    bench = Bench()
    bench.command(start())
    payloads = [events("monitor1", NOW, [1] * 7, [1] * 7), events("monitor2", NOW, [1], [1]), b"junk"]
    bench.worker.skip_data(Batch(topic=TOPICS.beam_monitor, partition=0, payloads=payloads, kafka_ms=[0, 0, 0]))
    bench.monitor(NOW, [1_000_000] * 3)
    bench.wait(1)

    assert dict(bench.job().dropped) == {TOO_LATE: 7}
    assert bench.worker.drops.counts == {TOO_LATE: 3}
    assert bench.counts() == [3]


def test_skipped_histograms_images_and_events_of_another_layout_are_counted_for_their_jobs_too() -> None:
    library = pytest.importorskip("streaming_data_types.eventdata_ev44")
    bench = Bench()
    bench.command(start())
    bench.command(start("area_panel_xy", "area_panel"))
    counts = Variable(name="signal", data=np.ones(3), axes=("time",), unit="counts")
    histogram = ENCODERS["da00"](LabelledArray(source_name="monitor1", timestamp_ns=NOW, variables=(counts,)))
    image = ENCODERS["ad00"](AreaImage(source_name="area_panel", unique_id=1, timestamp_ns=NOW, data=np.ones((2, 2))))
    of_library = library.serialise_ev44("monitor1", 1, [NOW], [0], [1, 2, 3, 4], [1, 1, 1, 1])
    for topic, payloads in [(TOPICS.beam_monitor, [histogram, of_library]), (TOPICS.area_detector, [image])]:
        bench.worker.skip_data(Batch(topic=topic, partition=0, payloads=payloads, kafka_ms=[0] * len(payloads)))

    assert dict(bench.job().dropped) == {TOO_LATE: 1 + 4}
    assert dict(bench.job("area_panel").dropped) == {TOO_LATE: 1}


def test_facts_are_told_as_prometheus_reads_them() -> None:
    text = metrics({"up": True, "lag_s": 0.25, "dropped": {'a "reason"': 3}, "worker": "text is no number"})

    assert text.splitlines() == [
        "testbeam_livedata_up 1",
        "testbeam_livedata_lag_s 0.25",
        'testbeam_livedata_dropped{reason="a \\"reason\\""} 3',
    ]


def test_prometheus_own_parser_reads_the_facts_of_a_worker() -> None:
    parser = pytest.importorskip("prometheus_client.parser")
    bench = Bench()
    bench.data(TOPICS.detector, b"junk")
    facts = {"up": True, **bench.worker.lags.take(), "messages_in": bench.worker.taken, "dropped": dict(bench.worker.drops.counts)}
    families = {family.name: family.samples for family in parser.text_string_to_metric_families(metrics(facts))}

    assert families["testbeam_livedata_messages_in"][0].value == 1
    assert [(one.labels, one.value) for one in families["testbeam_livedata_dropped"]] == [({"reason": "unknown schema"}, 1)]
