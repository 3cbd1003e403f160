from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from testbeam.errors import NexusError
from testbeam.model.samples import ConnectionState, Severity
from testbeam.nexus import compose
from testbeam.services.filewriter import router as reasons
from tests.unit.filewriter.writing import Writing, alarm, connection, events, log, read

Write = Callable[..., Writing]
SPEED = compose.log("speed", topic="motion", source="speed", units="Hz")
PANEL = compose.group("panel", "NXdetector", compose.stream("ev44", topic="detector", source="panel"))
MONITOR = compose.group("monitor", "NXmonitor", compose.stream("ev44", topic="detector", source="monitor"))


def speed(**config: Any) -> compose.Node:
    return compose.group("speed", "NXlog", compose.stream("f144", topic="motion", source="speed", **config))


def test_a_log_is_written_with_time_value_units_and_statistics(write: Write) -> None:
    writing = write(SPEED)
    writing.take(log(1_100, 3.0), log(1_200, 1.0), log(1_300, 5.0))

    with writing.finish() as file:
        assert read(file, "speed/time", "speed/value") == [[1_100, 1_200, 1_300], [3.0, 1.0, 5.0]]
        assert file["speed/value"].attrs["units"] == "Hz"
        assert dict(file["speed/time"].attrs) == {"start": "1970-01-01T00:00:00Z", "units": "ns"}
        assert [file[f"speed/{word}_value"][()] for word in ("minimum", "maximum", "average")] == [1.0, 5.0, 3.0]
        assert (file["speed/time"].dtype, file["speed/value"].dtype) == ("uint64", "float64")


def test_statistics_without_data_are_nan_and_not_0(write: Write) -> None:
    with write(SPEED).finish() as file:
        assert np.isnan(file["speed/average_value"][()])
        assert file["speed/value"].shape == (0,)


def test_statistics_are_those_of_the_stored_values(write: Write) -> None:
    writing = write(speed(dtype="int32"))
    writing.take(log(1_100, 1.9), log(1_200, 2.9))

    with writing.finish() as file:
        assert read(file, "speed/value") == [[1, 2]]
        assert [file[f"speed/{word}_value"][()] for word in ("minimum", "maximum", "average")] == [1.0, 2.0, 1.5]


def test_statistics_can_be_switched_off(write: Write) -> None:
    with write(speed(meta_data=False)).finish() as file:
        assert "average_value" not in file["speed"]


def test_integers_are_kept_to_the_last_digit(write: Write) -> None:
    writing = write(speed(dtype="int64"))
    writing.take(log(1_100, np.int64(2**62 + 1)), log(1_200, 1.5), log(1_300, np.uint8(7)), log(1_400, np.int64(-(2**62) - 1)))

    with writing.finish() as file:
        assert read(file, "speed/time", "speed/value") == [[1_100, 1_200, 1_300, 1_400], [2**62 + 1, 1, 7, -(2**62) - 1]]


def test_arrays_have_one_row_a_message(write: Write) -> None:
    writing = write(speed(array_size=3, dtype="int32"))
    writing.take(log(1_100, np.array([1, 2, 3], np.int32)), log(1_200, np.array([4, 5, 6], np.int32)))

    with writing.finish() as file:
        assert read(file, "speed/time", "speed/value") == [[1_100, 1_200], [[1, 2, 3], [4, 5, 6]]]


def test_an_array_of_another_length_or_a_scalar_among_arrays_is_counted(write: Write) -> None:
    writing = write(speed(array_size=3))
    writing.take(log(1_100, np.array([1.0, 2.0])), log(1_200, 1.0), log(1_300, np.array([1.0, 2.0, 3.0])))

    with writing.finish() as file:
        assert read(file, "speed/time") == [[1_300]]
    assert writing.drops.counts == {reasons.WRONG_SHAPE: 2}


def test_an_array_for_a_dataset_of_scalars_is_counted(write: Write) -> None:
    writing = write(SPEED)
    writing.take(log(1_100, np.array([1.0, 2.0])), log(1_200))

    with writing.finish() as file:
        assert read(file, "speed/time", "speed/value") == [[1_200], [1.5]]
    assert writing.drops.counts == {reasons.WRONG_SHAPE: 1}


def test_a_cue_points_to_every_interval_of_a_log(write: Write) -> None:
    writing = write(speed(cue_interval=3))
    writing.take(*(log(1_100 + i) for i in range(4)))
    writing.router.flush()
    writing.take(*(log(1_104 + i) for i in range(4)))

    with writing.finish() as file:
        assert read(file, "speed/cue_index", "speed/cue_timestamp_zero") == [[0, 3, 6], [1_100, 1_103, 1_106]]


def test_a_log_brings_alarms_and_connection_changes_along(write: Write) -> None:
    writing = write(SPEED)
    writing.take(alarm(1_100, "HIHI", Severity.MAJOR), alarm(1_200), connection(1_300, ConnectionState.DISCONNECTED))

    with writing.finish() as file:
        assert file["speed/alarm_message"].asstr()[:].tolist() == ["HIHI", "NO ALARM MESSAGE"]
        assert read(file, "speed/alarm_severity", "speed/alarm_time") == [[2, 1], [1_100, 1_200]]
        assert read(file, "speed/connection_status", "speed/connection_status_time") == [[3], [1_300]]


def test_alarms_and_connection_changes_can_be_left_out(write: Write) -> None:
    writing = write(speed(enable_alarm_info=False, enable_epics_con_info=False))
    writing.take(alarm(1_100), connection(1_300))

    with writing.finish() as file:
        assert not [name for name in file["speed"] if name.startswith(("alarm", "connection"))]
    assert writing.drops.counts == {reasons.NOT_IN_JOB: 2}


def test_a_long_alarm_message_is_cut_at_a_character(write: Write) -> None:
    writing = write(SPEED)
    writing.take(alarm(1_100, "é" * 150))

    with writing.finish() as file:
        assert file["speed/alarm_message"].asstr()[:].tolist() == ["é" * 100]


def test_events_are_written_by_pulse(write: Write) -> None:
    writing = write(PANEL)
    writing.take(events(1_100, [10, 20, 30], [1, 2, 3]), events(1_200, [40, 50], [4, 5]), topic="detector")

    with writing.finish() as file:
        assert read(file, "panel/event_time_zero", "panel/event_index") == [[1_100, 1_200], [0, 3]]
        assert read(file, "panel/event_time_offset", "panel/event_id") == [[10, 20, 30, 40, 50], [1, 2, 3, 4, 5]]
        assert [file[f"panel/{name}"].dtype.name for name in ("event_time_zero", "event_index", "event_id")] == ["uint64", "int64", "int32"]


def test_a_message_may_hold_several_pulses(write: Write) -> None:
    writing = write(PANEL)
    writing.take(events(1_100, [10]), events([1_200, 1_300], [20, 30, 40], index=[0, 2]), topic="detector")

    with writing.finish() as file:
        assert read(file, "panel/event_time_zero", "panel/event_index") == [[1_100, 1_200, 1_300], [0, 1, 3]]


def test_repeated_pulse_times_are_accepted(write: Write) -> None:
    writing = write(PANEL)
    writing.take(events(1_100, [10]), events(1_100, [20]), topic="detector")

    with writing.finish() as file:
        assert read(file, "panel/event_time_zero", "panel/event_time_offset") == [[1_100, 1_100], [10, 20]]


def test_events_from_before_the_start_are_dropped(write: Write) -> None:
    writing = write(PANEL)
    writing.take(events(900, [10]), topic="detector")

    with writing.finish() as file:
        assert file["panel/event_time_zero"].shape == (0,)
    assert writing.drops.counts == {reasons.OUTSIDE_WINDOW: 1}


def test_a_pulse_without_events_is_a_pulse(write: Write) -> None:
    writing = write(PANEL)
    writing.take(events(1_100, []), events(1_200, [10]), events(1_300, []), topic="detector")

    with writing.finish() as file:
        assert read(file, "panel/event_time_zero", "panel/event_index") == [[1_100, 1_200, 1_300], [0, 0, 1]]


def test_events_of_a_monitor_without_pixel_ids_have_the_id_minus_one_and_keeps_its_order_with_empty_pulses(write: Write) -> None:
    writing = write(MONITOR)
    messages = [(1_100, [1, 2]), (1_150, []), (1_200, [3]), (1_250, []), (1_300, [4])]
    writing.take(*(events(time, offsets, [], source="monitor") for time, offsets in messages), topic="detector")

    with writing.finish() as file:
        assert read(file, "monitor/event_time_zero", "monitor/event_index") == [[1_100, 1_150, 1_200, 1_250, 1_300], [0, 2, 2, 3, 3]]
        assert read(file, "monitor/event_time_offset", "monitor/event_id") == [[1, 2, 3, 4], [-1] * 4]


@pytest.mark.parametrize("flush_between", [False, True])
def test_events_without_pixels_among_others_stay_aligned(write: Write, flush_between: bool) -> None:
    writing = write(PANEL)
    for buffer in (events(1_100, [1], []), events(1_200, [2], [7]), events(1_300, [3, 4], [])):
        writing.take(buffer, topic="detector")
        if flush_between:
            writing.router.flush()

    with writing.finish() as file:
        assert read(file, "panel/event_time_offset", "panel/event_id") == [[1, 2, 3, 4], [-1, 7, -1, -1]]


def test_a_cue_points_to_every_interval_of_events(write: Write) -> None:
    writing = write(compose.group("panel", "NXdetector", compose.stream("ev44", topic="detector", source="panel", cue_interval=4)))
    writing.take(*(events(1_100 + i, [1, 2, 3]) for i in range(5)), topic="detector")

    with writing.finish() as file:
        assert read(file, "panel/cue_index", "panel/cue_timestamp_zero") == [[3, 9], [1_101, 1_103]]


def test_one_source_may_be_written_into_several_groups(write: Write) -> None:
    copy = compose.group("copy", "NXlog", compose.stream("f144", topic="motion", source="speed"))
    writing = write(SPEED, copy)
    writing.take(log(1_100))

    with writing.finish() as file:
        assert read(file, "speed/value", "copy/value") == [[1.5], [1.5]]


def test_different_modules_may_share_a_group(write: Write) -> None:
    streams = [compose.stream(name, topic="motion", source="speed") for name in ("f144", "al00", "ep01")]
    writing = write(compose.group("speed", "NXlog", *streams))
    writing.take(log(1_100), alarm(1_200), connection(1_300))

    with writing.finish() as file:
        assert read(file, "speed/time", "speed/alarm_time", "speed/connection_status_time") == [[1_100], [1_200], [1_300]]


def test_two_modules_of_one_kind_in_a_group_are_refused(write: Write) -> None:
    streams = [compose.stream("ev44", topic="detector", source=name) for name in ("a", "b")]
    with pytest.raises(NexusError, match=r"/panel has two modules ev44"):
        write(compose.group("panel", "NXdetector", *streams))


def test_two_modules_that_would_write_one_dataset_are_refused(write: Write) -> None:
    streams = [compose.stream(name, topic="motion", source="a") for name in ("ev44", "f144")]
    with pytest.raises(NexusError, match=r"/both/cue_index would be made by module f144 and by module ev44"):
        write(compose.group("both", "NXlog", *streams))


@pytest.mark.parametrize(
    ("node", "problem"),
    [
        (compose.stream("xx00", topic="motion", source="a"), "unknown module 'xx00'; known are"),
        (compose.stream("f144", topic="motion", source="a", dtype="string"), "can't be string"),
        (compose.stream("f144", topic="motion", source="a", chunk_size=0), "chunk_size is 0"),
        (compose.stream("f144", topic="motion", source="a", chunk_size=2**64), "chunk_size is 18446744073709551616; give"),
        (compose.stream("ev44", topic="motion", source="a", cue_interval=2**63), "cue_interval is 9223372036854775808"),
        (compose.stream("f144", topic="motion", source="a", meta_data="no"), "meta_data is 'no'"),
        (compose.stream("ev44", topic="motion", source="a", cue_interval="1"), "cue_interval is '1'"),
    ],
)
def test_a_config_that_cant_be_used_is_refused_with_its_place(write: Write, node: compose.Node, problem: str) -> None:
    with pytest.raises(NexusError, match=problem) as caught:
        write(compose.group("a", "NXlog", node))
    assert caught.value.path == "$.children[0].children[0].config"
