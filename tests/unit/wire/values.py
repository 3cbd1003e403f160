"""Which values do the tests of the wire send round: one golden value a schema, and every value there is (hypothesis)."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from testbeam.model import arrays, forwarding, runs, samples, status

F144_TYPES = ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8")

GOLDEN_FOLDER = Path(__file__).parent / "golden"

GOLDEN: dict[str, Any] = {
    "6s4t": runs.RunStop(
        job_id="7ed1b7f8-7c2b-41c7-9cf0-08cbd7e3f1f2",
        command_id="b6e0d4f5-2b0f-4b8f-8f3b-3b6f7d0e9a11",
        stop_time_ms=1_700_000_060_000,
        run_name="sweep of ω",
        service_id="writer-1",
    ),
    "ADAr": arrays.AreaImage(
        source_name="area_panel",
        unique_id=7,
        timestamp_ns=1_700_000_000_000_000_000,
        data=np.array([[1, 2, 3], [4, 5, 65_535]], np.uint16),
        attributes=(arrays.ImageAttribute(name="Mode", description="", source="TB:CAM:ImageMode", data="Continuous"),),
    ),
    "NDAr": arrays.AreaImage(
        source_name="ADPluginKafka",
        unique_id=7,
        timestamp_ns=1_700_000_000_123_456_789,
        data=np.array([[1, 2, 3], [4, 5, 65_535]], np.uint16),
    ),
    "hs00": arrays.Histogram(
        source_name="just-bin-it",
        timestamp_ns=1_700_000_000_123_456_789,
        axes=(
            arrays.HistogramAxis(length=3, edges=np.array([0.0, 1.0, 2.0, 3.0]), unit="ms", label="time of flight"),
            arrays.HistogramAxis(length=2, edges=np.array([1, 2, 3], np.uint32), label="pixel"),
        ),
        data=np.array([[1, 2], [3, 4], [5, 6]], np.uint64),
        errors=np.array([[1, 1.5], [1.7, 2], [2.2, 2.5]], np.float32),
        last_metadata_timestamp_ns=1_700_000_000_000_000_000,
        info="{}",
    ),
    "hs01": arrays.Histogram(
        source_name="just-bin-it",
        timestamp_ns=1_700_000_000_123_456_789,
        axes=(arrays.HistogramAxis(length=3, edges=np.array([0.0, 1.0, 2.0, 3.0]), unit="ms", label="time of flight"),),
        data=np.array([1, -2, 3], np.int32),
    ),
    "ad00": arrays.AreaImage(
        source_name="area_panel",
        unique_id=7,
        timestamp_ns=1_700_000_000_123_456_789,
        data=np.array([[1, 2, 3], [4, 5, 65_535]], np.uint16),
        attributes=(
            arrays.ImageAttribute(name="Exposure", description="s", source="TB:CAM:AcquireTime", data=np.array(0.25)),
            arrays.ImageAttribute(name="Mode", description="", source="TB:CAM:ImageMode", data="Continuous"),
            arrays.ImageAttribute(name="ROI", description="px", source="TB:CAM:ROI", data=np.array([0, 0, 3, 2], np.int32)),
        ),
    ),
    "al00": samples.Alarm(source_name="TB:VOLT", timestamp_ns=1_700_000_000_123_456_789, severity=samples.Severity.MAJOR, message="HIHI"),
    "answ": runs.CommandAnswer(
        service_id="writer-1",
        job_id="7ed1b7f8-7c2b-41c7-9cf0-08cbd7e3f1f2",
        command_id="7ed1b7f8-7c2b-41c7-9cf0-08cbd7e3f1f2",
        action=runs.ActionType.SET_STOP_TIME,
        outcome=runs.ActionOutcome.FAILURE,
        message="no such job",
        status_code=400,
        stop_time_ms=1_700_000_060_000,
    ),
    "da00": arrays.LabelledArray(
        source_name="monitor1",
        timestamp_ns=1_700_000_000_123_456_789,
        variables=(
            arrays.Variable(
                name="signal",
                data=np.array([[0.5, 1.0, 2.0], [4.0, 8.0, 16.0]]),
                axes=("y", "time_of_arrival"),
                unit="counts",
                label="Histogram",
            ),
            arrays.Variable(name="time_of_arrival", data=np.array([0, 10, 20, 30], np.int32), axes=("time_of_arrival",), unit="ms"),
            arrays.Variable(name="start_time", data=np.array(1_700_000_000_000_000_000), unit="datetime64[ns]"),
            arrays.Variable(name="comment", data="sweep of ω", source="TB:COMMENT"),
        ),
    ),
    "ep00": samples.ConnectionChange(
        source_name="TB:VOLT",
        timestamp_ns=1_700_000_000_123_456_789,
        state=samples.ConnectionState.CONNECTED,
        service_id="forwarder-1",
    ),
    "ev42": samples.PulseEvents(
        source_name="panel",
        message_id=42,
        timestamp_ns=1_700_000_000_123_456_789,
        time_of_flight_ns=np.array([1_000, 4_000_000_000], np.uint32),
        detector_id=np.array([1, 2**32 - 1], np.uint32),
    ),
    "ns10": samples.CacheEntry(key="motor/value", time_s=1_700_000_000.25, ttl_s=5.0, expired=False, value="12.5"),
    "ep01": samples.ConnectionChange(
        source_name="TB:VOLT",
        timestamp_ns=1_700_000_000_123_456_789,
        state=samples.ConnectionState.DISCONNECTED,
        service_id="forwarder-1",
    ),
    "ev44": samples.Events(
        source_name="panel",
        message_id=42,
        reference_time_ns=np.array([1_700_000_000_000_000_000, 1_700_000_000_071_428_571], np.int64),
        reference_time_index=np.array([0, 3], np.int32),
        time_of_flight_ns=np.array([1_000_000, 2_000_000, 3_000_000, 4_000_000, 5_000_000], np.int32),
        pixel_id=np.array([1, 128, 129, 16_384, 7], np.int32),
    ),
    "f142": samples.AlarmedLogValue(
        source_name="TB:VOLT-RB",
        value=np.float64(-12.75),
        timestamp_ns=1_700_000_000_123_456_789,
        status=samples.AlarmStatus.HIGH,
        severity=samples.Severity.MINOR,
    ),
    "f144": samples.LogValue(source_name="TB:VOLT-RB", value=np.float64(-12.75), timestamp_ns=1_700_000_000_123_456_789),
    "fc00": forwarding.ForwarderCommand(
        change=forwarding.ConfigChange.REPLACE,
        streams=(
            forwarding.StreamSpec(channel="TB:VOLT-RB", schema="f144", topic="tb_motion", protocol=forwarding.Protocol.CA, periodic=1000),
            forwarding.StreamSpec(channel="TB:COUNT", schema="f144", topic="tb_motion"),
        ),
    ),
    "pl72": runs.RunStart(
        job_id="7ed1b7f8-7c2b-41c7-9cf0-08cbd7e3f1f2",
        filename="run_0001.nxs",
        nexus_structure='{"children": [{"type": "group", "name": "entry"}]}',
        control_topic="tb_filewriter_control",
        start_time_ms=1_700_000_000_000,
        stop_time_ms=1_700_000_060_000,
        run_name="sweep of ω",
        instrument_name="testbeam",
        service_id="writer-1",
        broker="127.0.0.1:9092",
        metadata='{"proposal": 1}',
        detector_spectrum_map=runs.DetectorSpectrumMap(
            spectrum=np.array([1, 2, 3], np.int32), detector_id=np.array([10, 20, 30], np.int32), n_spectra=3
        ),
    ),
    "rf5k": forwarding.ForwarderCommand(
        change=forwarding.ConfigChange.ADD,
        streams=(forwarding.StreamSpec(channel="TB:VOLT-RB", schema="f142", topic="tb_motion", protocol=forwarding.Protocol.CA),),
    ),
    "se00": samples.SampleSeries(
        source_name="TB:ADC",
        channel=3,
        timestamp_ns=1_700_000_000_123_456_789,
        time_delta_ns=1000.0,
        message_counter=17,
        values=np.array([0.5, -1.25, 3.75], np.float32),
        timestamps_ns=np.array([1_700_000_000_123_456_789, 1_700_000_000_123_457_789, 1_700_000_000_123_458_789], np.int64),
    ),
    "senv": samples.IntegerSampleSeries(
        source_name="TB:ADC",
        channel=3,
        timestamp_ns=1_700_000_000_000_000_000,
        time_delta_ns=1000.0,
        message_counter=17,
        values=np.array([-5, 0, 70_000], np.int32),
        timestamps_ns=np.array([1_700_000_000_000_000_000, 1_700_000_000_000_001_000, 1_700_000_000_000_002_000], np.uint64),
        location=samples.SampleLocation.START,
    ),
    "tdct": samples.TimeSeries(
        source_name="TB:CHOPPER:TDC",
        timestamps_ns=np.array([1_700_000_000_000_000_000, 1_700_000_000_071_428_571], np.uint64),
        sequence_counter=9,
    ),
    "un00": samples.UnitsChange(source_name="TB:VOLT-RB", timestamp_ns=1_700_000_000_123_456_789, units="mV"),
    "wrdn": runs.WritingFinished(
        service_id="writer-1",
        job_id="7ed1b7f8-7c2b-41c7-9cf0-08cbd7e3f1f2",
        error_encountered=True,
        file_name="/data/run_0001.nxs",
        metadata='{"proposal": 1}',
        message="source 'TB:NONE' is in no topic",
    ),
    "x5f2": status.ServiceStatus(
        software_name="testbeam-filewriter",
        software_version="0.1.0",
        service_id="writer-1",
        host_name="beamline",
        process_id=4242,
        update_interval_ms=2_000,
        status_json='{"state": "idle"}',
    ),
}

_text = st.text(max_size=20)
_i64 = st.integers(-(2**63), 2**63 - 1)
_u64 = st.integers(0, 2**64 - 1)
_u32 = st.integers(0, 2**32 - 1)
_i32 = st.integers(-(2**31), 2**31 - 1)


def _array(dtype: Any, size: Any = st.integers(0, 20)) -> Any:
    return hnp.arrays(np.dtype(dtype), size)


@st.composite
def _log_values(draw: Any) -> samples.LogValue:
    dtype = np.dtype(draw(st.sampled_from(F144_TYPES)))
    array = draw(_array(dtype))
    value = array if array.size != 1 or draw(st.booleans()) else array[0]
    return samples.LogValue(source_name=draw(_text), value=value, timestamp_ns=draw(_i64))


@st.composite
def _histograms(draw: Any, types: tuple[str, ...], times: Any, lengths: Any) -> arrays.Histogram:
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    numbers = st.sampled_from(types).flatmap(lambda name: hnp.arrays(np.dtype(name), shape))
    edges = st.sampled_from(types).flatmap(lambda name: _array(name, st.integers(1, 5)))  # the library can't read an empty array
    axis = st.builds(arrays.HistogramAxis, length=lengths, edges=edges, unit=_text, label=_text)
    return arrays.Histogram(
        source_name=draw(_text),
        timestamp_ns=draw(times),
        axes=tuple(draw(axis) for _ in shape),
        data=draw(numbers),
        errors=draw(st.none() | numbers),
        last_metadata_timestamp_ns=draw(times),
        info=draw(_text),
    )


_plain_text = st.text(max_size=20).filter(lambda text: "\0" not in text)  # numpy's texts, by which the library goes, lose their last zeros


@st.composite
def _alarmed_values(draw: Any) -> samples.AlarmedLogValue:
    value: Any
    if draw(st.booleans()):
        value = draw(_plain_text | st.lists(_plain_text, min_size=1, max_size=4).map(tuple))
    else:
        array = draw(_array(draw(st.sampled_from(F144_TYPES))))
        value = array if array.size != 1 or draw(st.booleans()) else array[0]
    status = draw(st.sampled_from(samples.AlarmStatus))
    severity = None if status is samples.AlarmStatus.NO_CHANGE else draw(st.none() | st.sampled_from(samples.Severity))
    return samples.AlarmedLogValue(source_name=draw(_text), value=value, timestamp_ns=draw(_u64), status=status, severity=severity)


@st.composite
def _sample_series(draw: Any, make: Any, types: tuple[str, ...], times: Any, time_type: str) -> Any:
    size = draw(st.integers(0, 10))
    return make(
        source_name=draw(_text),
        channel=draw(_i32),
        timestamp_ns=draw(times),
        time_delta_ns=draw(st.floats(allow_nan=False)),
        message_counter=draw(st.integers(0, 2**63 - 1)),
        values=draw(_array(draw(st.sampled_from(types)), size)),
        timestamps_ns=draw(hnp.arrays(np.dtype(time_type), draw(st.sampled_from((0, size))), elements=st.integers(0, 2**63 - 1))),
        location=draw(st.sampled_from(samples.SampleLocation)),
    )


@st.composite
def _events(draw: Any) -> samples.Events:
    pulses, events = draw(st.integers(0, 4)), draw(st.integers(0, 20))
    return samples.Events(
        source_name=draw(_text),
        message_id=draw(_i64),
        reference_time_ns=draw(_array("i8", pulses)),
        reference_time_index=draw(_array("i4", pulses)),
        time_of_flight_ns=draw(_array("i4", events)),
        pixel_id=draw(_array("i4", draw(st.sampled_from((0, events))))),
    )


def _typed(rank: Any) -> Any:
    """Return arrays of every type of number; as they are, in the machine's order of bytes."""
    shapes = rank.flatmap(lambda n: st.tuples(*[st.integers(0, 4)] * n))
    return st.sampled_from(F144_TYPES).flatmap(lambda name: hnp.arrays(np.dtype(name), shapes))


@st.composite
def _variables(draw: Any) -> arrays.Variable:
    data = draw(_typed(st.integers(0, 3)) | _text)
    axes = () if isinstance(data, str) else tuple(draw(_text) for _ in range(data.ndim))
    texts = st.none() | _text
    return arrays.Variable(name=draw(_text), data=data, axes=axes, unit=draw(texts), label=draw(texts), source=draw(texts))


@st.composite
def _attributes(draw: Any) -> arrays.ImageAttribute:
    data = draw(_typed(st.sampled_from((0, 1))).filter(lambda array: array.ndim == 0 or array.size != 1) | _text)
    return arrays.ImageAttribute(name=draw(_text), description=draw(_text), source=draw(_text), data=data)


_streams = st.builds(
    forwarding.StreamSpec,
    channel=_text,
    schema=_text,
    topic=_text,
    protocol=st.sampled_from(forwarding.Protocol),
    periodic=_i32,
)

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "6s4t": st.builds(runs.RunStop, job_id=_text, command_id=_text, stop_time_ms=_u64, run_name=_text, service_id=_text),
    "ADAr": st.builds(  # the library's times are of Python, and it can't read an image without numbers
        arrays.AreaImage,
        source_name=_text,
        unique_id=_i32,
        timestamp_ns=st.integers(0, 4_000_000_000).map(lambda s: s * 1_000_000_000),
        data=st.sampled_from(F144_TYPES).flatmap(
            lambda name: hnp.arrays(np.dtype(name), st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple))
        ),
        attributes=st.lists(_attributes(), max_size=3).map(tuple),
    ),
    "ad00": st.builds(
        arrays.AreaImage,
        source_name=_text,
        unique_id=_i32,
        timestamp_ns=_i64,
        data=_typed(st.integers(0, 3)) | _text,
        attributes=st.lists(_attributes(), max_size=3).map(tuple),
    ),
    "NDAr": st.builds(  # the library can't read an image without numbers; a time of all zeros is none
        arrays.AreaImage,
        source_name=st.just("ADPluginKafka"),
        unique_id=_i32,
        timestamp_ns=st.integers(-(2**31) + 631_152_001, 2**31 + 631_151_998)
        .map(lambda s: s * 1_000_000_000 + 7)
        .filter(lambda ns: ns != 0),
        data=st.sampled_from(F144_TYPES).flatmap(
            lambda name: hnp.arrays(np.dtype(name), st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple))
        ),
    ),
    "hs00": _histograms(("u4", "u8", "f8", "f4"), _u64, _u32),
    "hs01": _histograms(("i4", "i8", "f8", "f4"), _i64, _i32),
    "al00": st.builds(samples.Alarm, source_name=_text, timestamp_ns=_i64, severity=st.sampled_from(samples.Severity), message=_text),
    "answ": st.builds(
        runs.CommandAnswer,
        service_id=_text,
        job_id=_text,
        command_id=_text,
        action=st.sampled_from(runs.ActionType),
        outcome=st.sampled_from(runs.ActionOutcome),
        message=_text,
        status_code=_i32,
        stop_time_ms=st.integers(0, 32_000_000_000).map(lambda s: s * 1000),  # whole seconds until 2984: the library takes a datetime
    ),
    "da00": st.builds(
        arrays.LabelledArray,
        source_name=_text,
        timestamp_ns=_i64,
        variables=st.lists(_variables(), min_size=1, max_size=4).map(tuple),
    ),
    "ep00": st.builds(
        samples.ConnectionChange,
        source_name=_text,
        timestamp_ns=_u64,
        state=st.sampled_from([state for state in samples.ConnectionState if state <= samples.ConnectionState.DESTROYED]),
        service_id=_text,
    ),
    "ev42": st.integers(0, 20).flatmap(
        lambda n: st.builds(
            samples.PulseEvents,
            source_name=_text,
            message_id=_u64,
            timestamp_ns=_u64,
            time_of_flight_ns=_array("u4", n),
            detector_id=_array("u4", n),
        )
    ),
    "ns10": st.builds(
        samples.CacheEntry,
        key=_text.map(str.strip),
        time_s=st.floats(allow_nan=False),
        ttl_s=st.floats(allow_nan=False),
        expired=st.booleans(),
        value=_text,
    ),
    "ep01": st.builds(
        samples.ConnectionChange, source_name=_text, timestamp_ns=_i64, state=st.sampled_from(samples.ConnectionState), service_id=_text
    ),
    "ev44": _events(),
    "f142": _alarmed_values(),
    "f144": _log_values(),
    "fc00": st.builds(
        forwarding.ForwarderCommand, change=st.sampled_from(forwarding.ConfigChange), streams=st.lists(_streams, max_size=5).map(tuple)
    ),
    "pl72": st.builds(
        runs.RunStart,
        job_id=_text,
        filename=_text,
        nexus_structure=_text,
        control_topic=_text,
        start_time_ms=_u64,
        stop_time_ms=_u64,
        run_name=_text,
        instrument_name=_text,
        service_id=_text,
        broker=_text,
        metadata=_text,
        detector_spectrum_map=st.none()
        | st.builds(runs.DetectorSpectrumMap, spectrum=_array("i4"), detector_id=_array("i4"), n_spectra=_i32),
    ),
    "rf5k": st.builds(
        forwarding.ForwarderCommand,
        change=st.sampled_from(tuple(forwarding.ConfigChange)[:3]),
        streams=st.lists(_streams.map(lambda stream: dataclasses.replace(stream, periodic=0)), max_size=5).map(tuple),
    ),
    "se00": _sample_series(samples.SampleSeries, F144_TYPES, _i64, "i8"),
    "senv": _sample_series(  # whole seconds until 2100: the library takes a datetime
        samples.IntegerSampleSeries, F144_TYPES[:8], st.integers(0, 4_102_444_800).map(lambda s: s * 1_000_000_000), "u8"
    ),
    "tdct": st.builds(samples.TimeSeries, source_name=_text, timestamps_ns=_array("u8"), sequence_counter=_u64),
    "un00": st.builds(samples.UnitsChange, source_name=_text, timestamp_ns=_i64, units=st.none() | _text),
    "wrdn": st.builds(
        runs.WritingFinished,
        service_id=_text,
        job_id=_text,
        error_encountered=st.booleans(),
        file_name=_text,
        metadata=_text,
        message=_text,
    ),
    "x5f2": st.builds(
        status.ServiceStatus,
        software_name=_text,
        software_version=_text,
        service_id=_text,
        host_name=_text,
        process_id=_u32,
        update_interval_ms=_u32,
        status_json=_text,
    ),
}


def same(left: Any, right: Any, *, dtypes: bool = True) -> bool:
    """Compare two values of the model, arrays element by element (NaN equals NaN) and, unless told otherwise, type by type."""
    if dataclasses.is_dataclass(left):
        pairs = ((getattr(left, field.name), getattr(right, field.name)) for field in dataclasses.fields(left))
        return type(left) is type(right) and all(same(a, b, dtypes=dtypes) for a, b in pairs)
    if isinstance(left, tuple) and isinstance(right, tuple):
        return len(left) == len(right) and all(same(a, b, dtypes=dtypes) for a, b in zip(left, right, strict=True))
    if isinstance(left, np.ndarray | np.generic):
        a, b = np.asarray(left), np.asarray(right)
        equal = np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        return bool(a.shape == b.shape and equal and (a.dtype == b.dtype or not dtypes))
    return bool(left == right)
