"""The writer modules beside those of logs, alarms and events: what their messages become in the file."""

import resource
from collections.abc import Callable, Sequence
from typing import Any

import h5py
import numpy as np
import pytest

from testbeam.errors import NexusError
from testbeam.model.arrays import AreaImage, Histogram, HistogramAxis, LabelledArray, Variable
from testbeam.model.samples import (
    AlarmedLogValue,
    AlarmStatus,
    CacheEntry,
    ConnectionChange,
    ConnectionState,
    IntegerSampleSeries,
    PulseEvents,
    SampleSeries,
    Severity,
    TimeSeries,
)
from testbeam.nexus import compose
from testbeam.services.filewriter import router as reasons
from testbeam.wire.flatbuffers.registry import ENCODERS
from tests.unit.filewriter.writing import Writing, log, read

Write = Callable[..., Writing]
ALONE = {"enable_alarm_info": False, "enable_epics_con_info": False}


def node(module: str, **config: Any) -> compose.Node:
    return compose.group("s", "NXlog", compose.stream(module, topic="motion", source="s", **ALONE, **config))


def series(time: int, values: Sequence[float], times: Sequence[int] = (), delta: float = 0.0, dtype: str = "f8") -> bytes:
    made = SampleSeries(
        source_name="s",
        channel=0,
        timestamp_ns=time,
        time_delta_ns=delta,
        message_counter=1,
        values=np.array(values, dtype),
        timestamps_ns=np.array(times, np.int64),
    )
    return ENCODERS["se00"](made)


def test_samples_have_their_own_times_or_those_that_lie_the_delta_apart(write: Write) -> None:
    writing = write(node("se00", dtype="double", value_units="V"))
    writing.take(series(1_100, [1, 2.5], [1_100, 1_107]), series(1_200, [3, 4, 5], delta=10.4))

    with writing.finish() as file:
        assert read(file, "s/value", "s/time") == [[1, 2.5, 3, 4, 5], [1_100, 1_107, 1_200, 1_210, 1_221]]
        assert read(file, "s/cue_index", "s/cue_timestamp_zero") == [[0, 2], [1_100, 1_200]]
        assert file["s/value"].attrs["units"] == "V"


def test_of_a_message_that_reaches_over_the_stop_the_samples_before_it_are_kept(write: Write) -> None:
    writing = write(node("se00"))
    writing.take(series(1_900, [1, 2, 3], delta=60, dtype="i8"), series(1_950, [4], dtype="i8"))

    with writing.finish() as file:
        assert read(file, "s/value", "s/time", "s/cue_index") == [[1, 2, 4], [1_900, 1_960, 1_950], [0, 2]]


def test_messages_of_samples_that_come_after_a_stop_that_is_set_later_are_removed_whole(write: Write) -> None:
    writing = write(node("se00"), stop_ns=2**62)
    writing.take(series(1_100, [1], dtype="i8"), series(1_600, [2, 3], delta=1, dtype="i8"), series(1_200, [4], dtype="i8"))
    writing.router.set_stop(1_500)

    with writing.finish() as file:
        assert read(file, "s/value", "s/cue_index") == [[1, 4], [0, 1]]
    assert writing.drops.counts == {reasons.OUTSIDE_WINDOW: 1}


def test_senv_is_written_as_se00(write: Write) -> None:
    writing = write(node("senv"))
    message = IntegerSampleSeries(
        source_name="s",
        channel=0,
        timestamp_ns=1_100,
        time_delta_ns=5,
        message_counter=1,
        values=np.array([7, 8], np.uint16),
        timestamps_ns=np.array([], np.int64),
    )
    writing.take(ENCODERS["senv"](message))

    with writing.finish() as file:
        assert read(file, "s/value", "s/time") == [[7, 8], [1_100, 1_105]]


def test_times_of_a_chopper_come_with_a_cue_each_message(write: Write) -> None:
    writing = write(node("tdct"))
    times = ([1_100, 1_170], [1_240])
    writing.take(*(ENCODERS["tdct"](TimeSeries(source_name="s", timestamps_ns=np.array(t, np.uint64), sequence_counter=0)) for t in times))

    with writing.finish() as file:
        assert read(file, "s/time", "s/cue_index", "s/cue_timestamp_zero") == [[1_100, 1_170, 1_240], [0, 2], [1_100, 1_240]]


def image(time: int, data: Any) -> bytes:
    return ENCODERS["ad00"](AreaImage(source_name="s", unique_id=1, timestamp_ns=time, data=np.array(data, np.uint16)))


def test_images_are_stacked_and_one_of_another_shape_is_counted(write: Write) -> None:
    writing = write(node("ad00", array_size=[2, 3], dtype="uint16", cue_interval=2))
    writing.take(*(image(1_100 + i, np.full((2, 3), i)) for i in range(3)), image(1_200, [[1, 2]]))

    with writing.finish() as file:
        assert file["s/value"].shape == (3, 2, 3)
        assert file["s/value"][:, 1, 2].tolist() == [0, 1, 2]
        assert file["s/value"].attrs["units"] == ""
        assert read(file, "s/time", "s/cue_index") == [[1_100, 1_101, 1_102], [0, 2]]
    assert writing.drops.counts == {reasons.WRONG_SHAPE: 1}


def value(time: int, number: Any, status: AlarmStatus = AlarmStatus.NO_CHANGE, severity: Severity | None = None) -> bytes:
    return ENCODERS["f142"](AlarmedLogValue(source_name="s", value=number, timestamp_ns=time, status=status, severity=severity))


def test_values_of_f142_have_the_alarm_of_their_update_beside_them(write: Write) -> None:
    writing = write(node("f142", dtype="int32"))
    writing.take(value(1_100, np.int32(4)), value(1_200, np.int32(5), AlarmStatus.HIHI, Severity.MAJOR), value(1_300, "text"))

    with writing.finish() as file:
        assert read(file, "s/value", "s/time") == [[[4], [5]], [1_100, 1_200]]
        assert read(file, "s/alarm_status", "s/alarm_severity", "s/alarm_time") == [[b"HIHI"], [b"MAJOR"], [1_200]]
    assert writing.drops.counts == {reasons.WRONG_SHAPE: 1}


VARIABLES = [
    {"name": "signal", "data_type": "int32", "shape": [2, 3], "axes": ["y", "x"], "unit": "counts", "label": "what was seen"},
    {"name": "errors", "data_type": "float64", "shape": [2, 3]},
]
CONSTANTS = [
    {"name": "x", "data_type": "float64", "data": [0.5, 1.5, 2.5], "unit": "m"},
    {"name": "y", "data": {"first": 0, "last": 1, "size": 2}},
]


def labelled(time: int, *variables: Variable) -> bytes:
    return ENCODERS["da00"](LabelledArray(source_name="s", timestamp_ns=time, variables=variables))


def test_labelled_arrays_are_stacked_and_what_is_missing_is_nan_or_the_largest_number(write: Write) -> None:
    counts = Variable(name="signal", data=np.arange(6, dtype=np.int32).reshape(2, 3), axes=("y", "x"))
    errors = Variable(name="errors", data=np.ones((2, 3)))
    writing = write(node("da00", variables=VARIABLES, constants=CONSTANTS))
    writing.take(labelled(1_100, counts, errors), labelled(1_200, errors), labelled(1_300, counts))

    with writing.finish() as file:
        group = file["s"]
        assert group["signal"][:, 1, 2].tolist() == [5, 2**31 - 1, 5]
        assert np.isnan(group["errors"][2]).all()
        assert read(file, "s/time", "s/x", "s/y") == [[1_100, 1_200, 1_300], [0.5, 1.5, 2.5], [0, 1]]
        assert (group.attrs["signal"], list(group.attrs["axes"])) == ("signal", ["time", "y", "x"])
        assert (group["signal"].attrs["units"], group["signal"].attrs["long_name"]) == ("counts", "what was seen")


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (node("ad00"), "ad00 needs `array_size`"),
        (node("se00", dtype="string"), "can't be string"),
        (node("da00", variables=[{"data_type": "int32"}]), "has no name"),
        (node("da00", variables=[{"name": "a", "shape": "2"}]), "shape of a"),
        (node("mdat", items=["middle_time"]), "mdat knows start_time, end_time"),
    ],
)
def test_a_config_that_can_t_be_used_is_refused(write: Write, bad: compose.Node, problem: str) -> None:
    with pytest.raises(NexusError, match=problem):
        write(bad)


def test_metadata_of_the_job_are_texts_in_its_group(write: Write) -> None:
    entry = compose.group("entry", "NXentry", {"module": "mdat", "config": {"items": ["start_time", "end_time"]}})
    writing = write(entry)
    writing.file.finish(1_700_000_000_123)

    with writing.finish() as file:
        assert file["entry/start_time"][()] == b"1970-01-01T00:00:00.000Z"
        assert file["entry/end_time"][()] == b"2023-11-14T22:13:20.123Z"
        assert "topic" not in file["entry"].attrs


@pytest.mark.parametrize("compression", ["lzf", "gzip", "zstd"])
def test_a_stream_may_be_compressed(write: Write, compression: str) -> None:
    pytest.importorskip("hdf5plugin")
    writing = write(compose.group("s", "NXlog", compose.stream("f144", topic="motion", source="speed", compression=compression)))
    writing.take(*(log(1_100 + i, i % 3) for i in range(500)))

    with writing.finish() as file:
        assert file["s/value"][:].tolist() == [i % 3 for i in range(500)]
        assert file["s/value"].id.get_storage_size() < 4_000


def test_a_handful_of_events_makes_no_large_file(write: Write) -> None:
    from tests.unit.filewriter.writing import events

    writing = write(compose.group("p", "NXevent_data", compose.stream("ev44", topic="detector", source="panel")))
    writing.take(events(1_100, [1, 2]), topic="detector")

    writing.finish().close()
    assert writing.file.path.stat().st_size < 2_000_000


@pytest.mark.parametrize(
    ("dtype", "sent", "stored"),
    [
        ("int32", [1.5, np.nan, 3e9, 7.0], 3),
        ("int8", [np.int32(300), np.int32(3)], 1),
        ("double", [np.int64(2**53 + 1)], 1),
        ("float", [1e300, 0.1], 1),
    ],
)
def test_values_that_the_type_of_the_dataset_does_not_hold_are_counted_and_said(
    write: Write, dtype: str, sent: list[Any], stored: int
) -> None:
    writing = write(compose.group("s", "NXlog", compose.stream("f144", topic="motion", source="speed", dtype=dtype, **ALONE)))
    writing.take(*(log(1_100 + i, np.asarray(v)) for i, v in enumerate(sent)))

    writing.finish().close()
    assert writing.router.narrowed == stored
    (warning,) = writing.router.warnings
    assert warning.startswith(f"speed: sent as {np.asarray(sent[0]).dtype}, and the dataset's type is")


def test_a_mixture_of_types_and_lengths_stays_in_the_order_of_arrival(write: Write) -> None:
    writing = write(compose.group("s", "NXlog", compose.stream("f144", topic="motion", source="speed", array_size=2, **ALONE)))
    arrays = [np.array([i, i], "i4" if i % 2 else "f8") for i in range(1, 5)]
    writing.take(*(log(1_100 + i, array) for i, array in enumerate(arrays)))

    with writing.finish() as file:
        assert read(file, "s/time", "s/value") == [[1_100, 1_101, 1_102, 1_103], [[1, 1], [2, 2], [3, 3], [4, 4]]]
    assert writing.router.older == 0


def test_a_full_disk_leaves_a_file_that_can_be_read(write: Write) -> None:
    writing = write(compose.group("s", "NXlog", compose.stream("f144", topic="motion", source="speed", **ALONE)))
    writing.take(log(1_100, 5))
    writing.router.flush()
    writing.file.flush()
    writing.take(log(1_200, 6))
    writing.router.flush()

    assert writing.file._salvage() == ""
    with h5py.File(writing.file.path) as file:
        assert read(file, "s/value") == [[5]]


def test_pulses_of_ev42_are_events_with_unsigned_ids(write: Write) -> None:
    writing = write(compose.group("s", "NXevent_data", compose.stream("ev42", topic="motion", source="s", cue_interval=2)))
    pulses: tuple[list[int], ...] = ([5, 4_000_000_000], [], [7])
    writing.take(*(pulse(1_100 + i, offsets) for i, offsets in enumerate(pulses)), pulse(2_500, [1]))

    with writing.finish() as file:
        assert read(file, "s/event_time_offset", "s/event_id") == [[5, 4_000_000_000, 7], [6, 4_000_000_001, 8]]
        assert read(file, "s/event_time_zero", "s/event_index", "s/cue_index") == [[1_100, 1_101, 1_102], [0, 2, 2], [0]]


def test_pulses_of_ev42_after_a_stop_that_is_set_later_are_removed(write: Write) -> None:
    writing = write(compose.group("s", "NXevent_data", compose.stream("ev42", topic="motion", source="s")), stop_ns=2**62)
    writing.take(pulse(1_100, [1, 2]), pulse(1_800, [3]), pulse(1_200, [4]))
    writing.router.set_stop(1_500)

    with writing.finish() as file:
        assert read(file, "s/event_time_zero", "s/event_time_offset", "s/event_index") == [[1_100, 1_200], [1, 2, 4], [0, 2]]


def pulse(time: int, offsets: Sequence[int]) -> bytes:
    made = PulseEvents(
        source_name="s",
        message_id=1,
        timestamp_ns=time,
        time_of_flight_ns=np.array(offsets, np.uint32),
        detector_id=np.array(offsets, np.uint32) + np.uint32(1),
    )
    return ENCODERS["ev42"](made)


def test_numbers_of_nicos_cache_are_a_log_and_other_entries_are_counted(write: Write) -> None:
    writing = write(compose.group("s", "NXlog", compose.stream("ns10", topic="motion", source="s", value_units="mm")))
    entries = (("12.5", 1_100e-9), ("'open'", 1_200e-9), ("3", 1_300e-9))
    writing.take(*(ENCODERS["ns10"](CacheEntry(key="s", time_s=t, ttl_s=0, expired=False, value=v)) for v, t in entries))

    with writing.finish() as file:
        assert read(file, "s/value", "s/time") == [[12.5, 3], [1_100, 1_300]]
    assert writing.drops.counts == {reasons.WRONG_SHAPE: 1}


def test_ep00_is_written_as_ep01(write: Write) -> None:
    writing = write(compose.group("s", "NXlog", compose.stream("ep00", topic="motion", source="s")))
    change = ConnectionChange(source_name="s", timestamp_ns=1_100, state=ConnectionState.CONNECTED, service_id="f")
    writing.take(ENCODERS["ep00"](change))

    with writing.finish() as file:
        assert read(file, "s/connection_status", "s/connection_status_time") == [[2], [1_100]]


@pytest.mark.parametrize("room", [0, 4_096, 100_000])
def test_a_file_that_may_not_grow_any_more_is_given_back_and_what_reached_the_disk_is_readable(write: Write, room: int) -> None:
    writing = write(compose.group("s", "NXlog", compose.stream("f144", topic="motion", source="speed", **ALONE)), stop_ns=2**62)
    writing.take(*(log(1_100 + i, i) for i in range(100)))
    writing.router.flush()
    writing.file.flush()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (writing.file.path.stat().st_size + room, before[1]))
    try:
        with pytest.raises(NexusError, match=r"can't be closed.*File too large"):
            fill(writing)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    with h5py.File(writing.file.path) as file:
        assert file["s/value"][:100].tolist() == list(range(100))


def fill(writing: Writing) -> None:
    """Write until the disk says no, and close."""
    try:
        for i in range(100):
            writing.take(*(log(1_200 + 200 * i + k, k) for k in range(200)))
            writing.router.flush()
            writing.file.flush()
    except (OSError, RuntimeError):
        writing.file.close()


SHAPE = [{"size": 3, "edges": [0, 1, 2, 4], "label": "time", "unit": "ms", "dataset_name": "tof"}, {"size": 2, "dataset_name": "pixel"}]


def histogram(time: int, first: float, schema: str = "hs00", dtype: str = "u8", shape: tuple[int, ...] = (3, 2), **more: Any) -> bytes:
    data = np.arange(np.prod(shape)).reshape(shape).astype(dtype) + np.dtype(dtype).type(first)
    axes = tuple(HistogramAxis(length=n, edges=np.arange(n + 1.0)) for n in shape)
    return ENCODERS[schema](Histogram(source_name="s", timestamp_ns=time, axes=axes, data=data, **more))


@pytest.mark.parametrize(("schema", "dtype"), [("hs00", "u8"), ("hs01", "i8")])
def test_histograms_are_stacked_with_their_errors_words_and_edges(write: Write, schema: str, dtype: str) -> None:
    writing = write(node(schema, shape=SHAPE, cue_interval=2))
    errors = np.full((3, 2), 0.5)
    writing.take(
        histogram(1_100, 0, schema, dtype, errors=errors, info="first"),
        histogram(1_200, 10, schema, dtype),
        histogram(1_300, 20, schema, dtype),
        histogram(1_400, 0, schema, dtype, shape=(2, 2)),
        histogram(1_500, 0, schema, dtype, offset=(3, 0)),
        histogram(2_001, 0, schema, dtype),
    )

    with writing.finish() as file:
        assert file["s/histograms"].dtype == dtype
        assert file["s/histograms"][:, 2, 1].tolist() == [5, 15, 25]
        assert file["s/errors"][0].tolist() == errors.tolist()
        assert np.isnan(file["s/errors"][1]).all()
        assert read(file, "s/timestamps", "s/info", "s/cue_index") == [[1_100, 1_200, 1_300], [b"first", b"", b""], [0, 2]]
        assert file["s/tof"][:].tolist() == [0, 1, 2, 4]
        assert (file["s/tof"].attrs["units"], file["s/tof"].attrs["long_name"]) == ("ms", "time")
        assert (file["s"].attrs["signal"], "pixel" in file["s"]) == ("histograms", False)
    assert writing.drops.counts == {reasons.WRONG_SHAPE: 2, reasons.OUTSIDE_WINDOW: 1}


def test_counts_that_the_dataset_does_not_hold_are_said(write: Write) -> None:
    writing = write(node("hs00", shape=SHAPE, data_type="uint8"))
    writing.take(histogram(1_100, 254))

    with writing.finish() as file:
        assert file["s/histograms"].dtype == np.uint8
    assert writing.router.narrowed == 4
    assert "values that it does not hold are changed, as 256" in writing.router.warnings[0]


def test_words_too_long_for_their_dataset_are_cut_and_that_is_said_once(write: Write) -> None:
    writing = write(node("hs00", shape=SHAPE))
    writing.take(histogram(1_100, 0, info="x" * 2_000), histogram(1_200, 0, info="y" * 2_000))

    with writing.finish() as file:
        assert [len(info) for info in file["s/info"]] == [1_024, 1_024]
    assert writing.router.warnings == ["s: info of 2000 bytes is cut to 1024"]


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({}, "needs `shape`"),
        ({"shape": [{"size": 0}]}, "size is 0"),
        ({"shape": [{"size": 2, "egdes": [1]}]}, "egdes"),
        ({"shape": [{"size": 2, "dataset_name": "a/b"}]}, "can't be the name"),
        ({"shape": SHAPE, "error_type": "string"}, "can't be string|no type can be string"),
    ],
)
def test_a_shape_that_can_t_be_used_is_refused_with_its_place(write: Write, config: dict[str, Any], problem: str) -> None:
    with pytest.raises(NexusError, match=problem):
        write(node("hs00", **config))


def test_edges_of_another_number_than_the_bins_are_refused(write: Write) -> None:
    with pytest.raises(NexusError, match="3 bins have 4 edges"):
        write(node("hs00", shape=[{"size": 3, "edges": [1, 2], "dataset_name": "tof"}]))


def test_an_ndar_is_an_image_of_the_one_source_it_can_have(write: Write) -> None:
    stream = compose.stream("NDAr", topic="motion", source="ADPluginKafka", array_size=[2, 2], dtype="uint16")
    time_ns = 1_700_000_000_000_000_001
    writing = write(compose.group("s", "NXlog", stream), start_ns=time_ns, stop_ns=time_ns)
    image = AreaImage(source_name="ADPluginKafka", unique_id=1, timestamp_ns=time_ns, data=np.full((2, 2), 7, np.uint16))
    writing.take(ENCODERS["NDAr"](image))

    with writing.finish() as file:
        assert read(file, "s/value", "s/time") == [[[[7, 7], [7, 7]]], [time_ns]]


def test_f142_has_statistics_of_what_is_in_the_file(write: Write) -> None:
    writing = write(node("f142", dtype="int32"), stop_ns=2**62)
    values = [(1_100, 4), (1_200, 8.5), (1_300, -6), (1_900, 1_000)]
    writing.take(*(ENCODERS["f142"](AlarmedLogValue(source_name="s", value=np.float64(v), timestamp_ns=t)) for t, v in values))
    writing.router.set_stop(1_500)

    with writing.finish() as file:
        assert file["s/value"][:].ravel().tolist() == [4, 8, -6]
        assert [file[f"s/{name}_value"][()] for name in ("minimum", "maximum", "average")] == [-6, 8, 2]
    assert writing.router.narrowed == 1


def test_f142_may_do_without_statistics(write: Write) -> None:
    with write(node("f142", meta_data=False)).finish() as file:
        assert "minimum_value" not in file["s"]
