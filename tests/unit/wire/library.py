"""How does ess-streaming-data-types, our oracle, say and read the values of `testbeam.model`?"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import flatbuffers
import numpy as np
from streaming_data_types import action_response_answ as answ
from streaming_data_types import alarm_al00 as al00
from streaming_data_types import area_detector_ad00 as ad00
from streaming_data_types import area_detector_ADAr as adar
from streaming_data_types import area_detector_NDAr as ndar
from streaming_data_types import array_1d_se00 as se00
from streaming_data_types import dataarray_da00 as da00
from streaming_data_types import epics_connection_ep01 as ep01
from streaming_data_types import epics_connection_info_ep00 as ep00
from streaming_data_types import eventdata_ev42 as ev42
from streaming_data_types import eventdata_ev44 as ev44
from streaming_data_types import finished_writing_wrdn as wrdn
from streaming_data_types import forwarder_config_update_fc00 as fc00
from streaming_data_types import forwarder_config_update_rf5k as rf5k
from streaming_data_types import histogram_hs00 as hs00
from streaming_data_types import histogram_hs01 as hs01
from streaming_data_types import logdata_f142 as f142
from streaming_data_types import logdata_f144 as f144
from streaming_data_types import nicos_cache_ns10 as ns10
from streaming_data_types import run_start_pl72 as pl72
from streaming_data_types import run_stop_6s4t as rs6s4t
from streaming_data_types import sample_environment_senv as senv
from streaming_data_types import status_x5f2 as x5f2
from streaming_data_types import timestamps_tdct as tdct
from streaming_data_types.fbschemas.NDAr_NDArray_schema import NDArray
from streaming_data_types.fbschemas.NDAr_NDArray_schema.epicsTimeStamp import CreateepicsTimeStamp

from testbeam.model import arrays, forwarding, runs, samples, status
from testbeam.model.forwarding import Protocol, StreamSpec


class Library(NamedTuple):
    """One schema of the library, in terms of our values."""

    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]


def _encode_f144(v: samples.LogValue) -> bytes:
    return bytes(f144.serialise_f144(v.source_name, v.value, v.timestamp_ns))


def _decode_f144(buffer: bytes) -> samples.LogValue:
    got = f144.deserialise_f144(buffer)
    return samples.LogValue(source_name=got.source_name, value=np.asarray(got.value), timestamp_ns=got.timestamp_unix_ns)


def _encode_al00(v: samples.Alarm) -> bytes:
    return bytes(al00.serialise_al00(v.source_name, v.timestamp_ns, al00.Severity(int(v.severity)), v.message))


def _decode_al00(buffer: bytes) -> samples.Alarm:
    got = al00.deserialise_al00(buffer)
    severity = samples.Severity(got.severity.value)
    return samples.Alarm(source_name=got.source, timestamp_ns=got.timestamp_ns, severity=severity, message=got.message)


def _encode_ep01(v: samples.ConnectionChange) -> bytes:
    return bytes(ep01.serialise_ep01(v.timestamp_ns, ep01.ConnectionInfo(int(v.state)), v.source_name, v.service_id))


def _decode_ep01(buffer: bytes) -> samples.ConnectionChange:
    got = ep01.deserialise_ep01(buffer)
    state = samples.ConnectionState(got.status.value)
    return samples.ConnectionChange(source_name=got.source_name, timestamp_ns=got.timestamp, state=state, service_id=got.service_id)


def _encode_ep00(v: samples.ConnectionChange) -> bytes:
    return bytes(ep00.serialise_ep00(v.timestamp_ns, int(v.state), v.source_name, v.service_id))


def _decode_ep00(buffer: bytes) -> samples.ConnectionChange:
    got = ep00.deserialise_ep00(buffer)
    state = samples.ConnectionState(got.type)
    return samples.ConnectionChange(source_name=got.source_name, timestamp_ns=got.timestamp, state=state, service_id=got.service_id)


def _encode_ev42(v: samples.PulseEvents) -> bytes:
    return bytes(ev42.serialise_ev42(v.source_name, v.message_id, v.timestamp_ns, v.time_of_flight_ns, v.detector_id))


def _decode_ev42(buffer: bytes) -> samples.PulseEvents:
    got = ev42.deserialise_ev42(buffer)
    return samples.PulseEvents(
        source_name=got.source_name,
        message_id=got.message_id,
        timestamp_ns=got.pulse_time,
        time_of_flight_ns=np.asarray(got.time_of_flight, np.uint32),
        detector_id=np.asarray(got.detector_id, np.uint32),
    )


def _encode_ns10(v: samples.CacheEntry) -> bytes:
    return bytes(ns10.serialise_ns10(v.key, v.value, v.time_s, v.ttl_s, v.expired))


def _decode_ns10(buffer: bytes) -> samples.CacheEntry:
    got = ns10.deserialise_ns10(buffer)
    return samples.CacheEntry(key=got.key, time_s=got.time_stamp, ttl_s=got.ttl, expired=got.expired, value=got.value)


def _encode_ev44(v: samples.Events) -> bytes:
    return bytes(
        ev44.serialise_ev44(v.source_name, v.message_id, v.reference_time_ns, v.reference_time_index, v.time_of_flight_ns, v.pixel_id)
    )


def _decode_ev44(buffer: bytes) -> samples.Events:
    got = ev44.deserialise_ev44(buffer)
    return samples.Events(
        source_name=got.source_name,
        message_id=got.message_id,
        reference_time_ns=got.reference_time,
        reference_time_index=got.reference_time_index,
        time_of_flight_ns=got.time_of_flight,
        pixel_id=got.pixel_id,
    )


def _encode_pl72(v: runs.RunStart) -> bytes:
    m = v.detector_spectrum_map
    return bytes(
        pl72.serialise_pl72(
            job_id=v.job_id,
            filename=v.filename,
            start_time=v.start_time_ms,
            stop_time=v.stop_time_ms,
            run_name=v.run_name,
            nexus_structure=v.nexus_structure,
            service_id=v.service_id,
            instrument_name=v.instrument_name,
            broker=v.broker,
            metadata=v.metadata,
            detector_spectrum_map=None if m is None else pl72.DetectorSpectrumMap(m.spectrum, m.detector_id, m.n_spectra),
            control_topic=v.control_topic,
        )
    )


def _decode_pl72(buffer: bytes) -> runs.RunStart:
    got = pl72.deserialise_pl72(buffer)
    m = got.detector_spectrum_map
    return runs.RunStart(
        job_id=got.job_id,
        filename=got.filename,
        nexus_structure=got.nexus_structure,
        control_topic=got.control_topic,
        start_time_ms=got.start_time,
        stop_time_ms=got.stop_time,
        run_name=got.run_name,
        instrument_name=got.instrument_name,
        service_id=got.service_id,
        broker=got.broker,
        metadata=got.metadata,
        detector_spectrum_map=None
        if m is None
        else runs.DetectorSpectrumMap(spectrum=m.spectrum_numbers, detector_id=m.detector_ids, n_spectra=m.n_spectra),
    )


def _encode_6s4t(v: runs.RunStop) -> bytes:
    return bytes(rs6s4t.serialise_6s4t(v.job_id, v.run_name, v.service_id, v.command_id, v.stop_time_ms))


def _decode_6s4t(buffer: bytes) -> runs.RunStop:
    got = rs6s4t.deserialise_6s4t(buffer)
    return runs.RunStop(
        job_id=got.job_id, command_id=got.command_id, stop_time_ms=got.stop_time, run_name=got.run_name, service_id=got.service_id
    )


def _encode_answ(v: runs.CommandAnswer) -> bytes:
    stop_time = datetime.fromtimestamp(v.stop_time_ms / 1000, tz=UTC)
    return bytes(answ.serialise_answ(v.service_id, v.job_id, v.command_id, v.action, v.outcome, v.message, v.status_code, stop_time))


def _decode_answ(buffer: bytes) -> runs.CommandAnswer:
    got = answ.deserialise_answ(buffer)
    return runs.CommandAnswer(
        service_id=got.service_id,
        job_id=got.job_id,
        command_id=got.command_id,
        action=runs.ActionType(got.action),
        outcome=runs.ActionOutcome(got.outcome),
        message=got.message,
        status_code=got.status_code,
        stop_time_ms=round(got.stop_time.timestamp() * 1000),
    )


def _encode_wrdn(v: runs.WritingFinished) -> bytes:
    return bytes(wrdn.serialise_wrdn(v.service_id, v.job_id, v.error_encountered, v.file_name, v.metadata or None, v.message or None))


def _decode_wrdn(buffer: bytes) -> runs.WritingFinished:
    got = wrdn.deserialise_wrdn(buffer)
    return runs.WritingFinished(
        service_id=got.service_id,
        job_id=got.job_id,
        error_encountered=got.error_encountered,
        file_name=got.file_name,
        metadata=got.metadata or "",
        message=got.message or "",
    )


def _encode_x5f2(v: status.ServiceStatus) -> bytes:
    return bytes(
        x5f2.serialise_x5f2(
            v.software_name, v.software_version, v.service_id, v.host_name, v.process_id, v.update_interval_ms, v.status_json
        )
    )


def _decode_x5f2(buffer: bytes) -> status.ServiceStatus:
    got = x5f2.deserialise_x5f2(buffer)
    return status.ServiceStatus(**{"update_interval_ms" if k == "update_interval" else k: v for k, v in got._asdict().items()})


def _encode_fc00(v: forwarding.ForwarderCommand) -> bytes:
    """Hand the streams over backwards, as the library puts them on the wire in reverse."""
    streams = [fc00.StreamInfo(s.channel, s.schema, s.topic, s.protocol, s.periodic) for s in reversed(v.streams)]
    return bytes(fc00.serialise_fc00(v.change, streams))


def _decode_fc00(buffer: bytes) -> forwarding.ForwarderCommand:
    got = fc00.deserialise_fc00(buffer)
    return forwarding.ForwarderCommand(
        change=forwarding.ConfigChange(got.config_change),
        streams=tuple(
            StreamSpec(channel=s.channel, schema=s.schema, topic=s.topic, protocol=Protocol(s.protocol), periodic=s.periodic)
            for s in got.streams
        ),
    )


def _encode_da00(v: arrays.LabelledArray) -> bytes:
    variables = [
        da00.Variable(name=one.name, data=one.data, axes=list(one.axes), unit=one.unit, label=one.label, source=one.source)
        for one in v.variables
    ]
    return bytes(da00.serialise_da00(v.source_name, v.timestamp_ns, variables))


def _decode_da00(buffer: bytes) -> arrays.LabelledArray:
    got = da00.deserialise_da00(buffer)
    return arrays.LabelledArray(
        source_name=got.source_name,
        timestamp_ns=got.timestamp_ns,
        variables=tuple(
            arrays.Variable(
                name=one.name, data=_data(one.data, one.shape), axes=tuple(one.axes), unit=one.unit, label=one.label, source=one.source
            )
            for one in got.data
        ),
    )


def _data(data: Any, shape: Any = None) -> Any:
    """Return text, or an array where the library makes a lone number a Python one, and forgets a shape without axes."""
    return data if isinstance(data, str) else np.asarray(data).reshape(np.shape(data) if shape is None else shape)


def _encode_ad00(v: arrays.AreaImage) -> bytes:
    attributes = [ad00.Attribute(one.name, one.description, one.source, one.data) for one in v.attributes]
    return bytes(ad00.serialise_ad00(v.source_name, v.unique_id, v.timestamp_ns, v.data, attributes))


def _decode_ad00(buffer: bytes) -> arrays.AreaImage:
    got = ad00.deserialise_ad00(buffer)
    return arrays.AreaImage(
        source_name=got.source_name,
        unique_id=got.unique_id,
        timestamp_ns=got.timestamp_ns,
        data=got.data,
        attributes=tuple(
            arrays.ImageAttribute(name=one.name, description=one.description, source=one.source, data=_data(one.data))
            for one in got.attributes
        ),
    )


def _encode_adar(v: arrays.AreaImage) -> bytes:
    attributes = [adar.Attribute(one.name, one.description, one.source, one.data) for one in v.attributes]
    return bytes(adar.serialise_ADAr(v.source_name, v.unique_id, datetime.fromtimestamp(v.timestamp_ns / 1e9, UTC), v.data, attributes))


def _decode_adar(buffer: bytes) -> arrays.AreaImage:
    got = adar.deserialise_ADAr(buffer)
    return arrays.AreaImage(
        source_name=got.source_name,
        unique_id=got.unique_id,
        timestamp_ns=round(got.timestamp.timestamp()) * 1_000_000_000,
        data=got.data,
        attributes=tuple(
            arrays.ImageAttribute(name=one.name, description=one.description, source=one.source, data=_data(one.data))
            for one in got.attributes
        ),
    )


class _NumpyOfTheLibrary:
    """numpy with the two names that it has lost since the library's f142 was written."""

    unicode_, string_ = np.str_, np.bytes_

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


f142.np = _NumpyOfTheLibrary()

_F142_SEVERITY = {samples.Severity.MINOR: 0, samples.Severity.MAJOR: 1, samples.Severity.OK: 2, samples.Severity.INVALID: 3, None: 4}


def _encode_f142(v: samples.AlarmedLogValue) -> bytes:
    value = np.array(v.value) if isinstance(v.value, tuple) else v.value
    status = None if v.status is samples.AlarmStatus.NO_CHANGE else int(v.status)
    severity = None if v.severity is None else _F142_SEVERITY[v.severity]
    return bytes(f142.serialise_f142(value, v.source_name, v.timestamp_ns, status, severity))


def _decode_f142(buffer: bytes) -> samples.AlarmedLogValue:
    got = f142.deserialise_f142(buffer)
    value = tuple(got.value.tolist()) if isinstance(got.value, np.ndarray) and got.value.dtype.kind == "U" else got.value
    return samples.AlarmedLogValue(
        source_name=got.source_name,
        value=value,
        timestamp_ns=got.timestamp_unix_ns,
        status=samples.AlarmStatus(got.alarm_status),
        severity={number: name for name, number in _F142_SEVERITY.items()}[got.alarm_severity],
    )


def _encode_rf5k(v: forwarding.ForwarderCommand) -> bytes:
    """Hand the streams over backwards, as the library puts them on the wire in reverse."""
    streams = [rf5k.StreamInfo(s.channel, s.schema, s.topic, s.protocol) for s in reversed(v.streams)]
    return bytes(rf5k.serialise_rf5k(v.change, streams))


def _decode_rf5k(buffer: bytes) -> forwarding.ForwarderCommand:
    got = rf5k.deserialise_rf5k(buffer)
    return forwarding.ForwarderCommand(
        change=forwarding.ConfigChange(got.config_change),
        streams=tuple(StreamSpec(channel=s.channel, schema=s.schema, topic=s.topic, protocol=Protocol(s.protocol)) for s in got.streams),
    )


def _series(v: samples.SampleSeries) -> dict[str, Any]:
    return {
        "name": v.source_name,
        "channel": v.channel,
        "sample_ts_delta": v.time_delta_ns,
        "message_counter": v.message_counter,
        "values": v.values,
        "ts_location": v.location,
        "value_timestamps": v.timestamps_ns if len(v.timestamps_ns) else None,
    }


def _samples(make: Any, got: Any, timestamp_ns: int, times: str) -> Any:
    return make(
        source_name=got.name,
        channel=got.channel,
        timestamp_ns=timestamp_ns,
        time_delta_ns=got.sample_ts_delta,
        message_counter=got.message_counter,
        values=got.values,
        timestamps_ns=np.empty(0, times) if got.value_ts is None else got.value_ts,
        location=samples.SampleLocation(got.ts_location),
    )


def _encode_se00(v: samples.SampleSeries) -> bytes:
    return bytes(se00.serialise_se00(timestamp_unix_ns=v.timestamp_ns, **_series(v)))


def _decode_se00(buffer: bytes) -> samples.SampleSeries:
    got = se00.deserialise_se00(buffer)
    decoded: samples.SampleSeries = _samples(samples.SampleSeries, got, got.timestamp_unix_ns, "i8")
    return decoded


def _encode_senv(v: samples.IntegerSampleSeries) -> bytes:
    return bytes(senv.serialise_senv(timestamp=datetime.fromtimestamp(v.timestamp_ns / 1e9, tz=UTC), **_series(v)))


def _decode_senv(buffer: bytes) -> samples.IntegerSampleSeries:
    got = senv.deserialise_senv(buffer)
    decoded: samples.IntegerSampleSeries = _samples(samples.IntegerSampleSeries, got, round(got.timestamp.timestamp() * 1e9), "u8")
    return decoded


def _encode_tdct(v: samples.TimeSeries) -> bytes:
    return bytes(tdct.serialise_tdct(v.source_name, v.timestamps_ns, v.sequence_counter))


def _decode_tdct(buffer: bytes) -> samples.TimeSeries:
    got = tdct.deserialise_tdct(buffer)
    return samples.TimeSeries(source_name=got.name, timestamps_ns=got.timestamps, sequence_counter=got.sequence_counter)


def _encode_un00(v: samples.UnitsChange) -> bytes:
    """Build it with FlatBuffers' own builder, as the library has no un00."""
    builder = flatbuffers.Builder(128)
    units = None if v.units is None else builder.CreateString(v.units)
    source = builder.CreateString(v.source_name)
    builder.StartObject(3)
    builder.PrependUOffsetTRelativeSlot(0, source, 0)
    builder.PrependInt64Slot(1, v.timestamp_ns, 0)
    if units is not None:
        builder.PrependUOffsetTRelativeSlot(2, units, 0)
    builder.Finish(builder.EndObject(), file_identifier=b"un00")
    return bytes(builder.Output())


def _decode_un00(buffer: bytes) -> samples.UnitsChange:
    from flatbuffers import encode, number_types, packer, table

    root = table.Table(buffer, encode.Get(packer.uoffset, buffer, 0))
    source, at, units = (root.Offset(slot) for slot in (4, 6, 8))
    return samples.UnitsChange(
        source_name=root.String(root.Pos + source).decode(),
        timestamp_ns=root.Get(number_types.Int64Flags, root.Pos + at) if at else 0,
        units=root.String(root.Pos + units).decode() if units else None,
    )


def _encode_ndar(v: arrays.AreaImage) -> bytes:
    """Build it by the generated code: `serialise_ndar` writes the wall clock and no EPICS time."""
    seconds, ns = divmod(v.timestamp_ns - 631_152_000 * 1_000_000_000, 1_000_000_000)
    raw = np.frombuffer(np.asarray(v.data).tobytes(), np.uint8)
    kinds = ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]
    builder = flatbuffers.Builder(1024)
    builder.ForceDefaults(True)
    dims = builder.CreateNumpyVector(np.array(np.shape(v.data), np.uint64))
    data = builder.CreateNumpyVector(raw)
    NDArray.NDArrayStart(builder)
    NDArray.NDArrayAddDataType(builder, kinds.index(np.asarray(v.data).dtype.str[1:]))
    NDArray.NDArrayAddDims(builder, dims)
    NDArray.NDArrayAddId(builder, v.unique_id)
    NDArray.NDArrayAddPData(builder, data)
    NDArray.NDArrayAddTimeStamp(builder, seconds + ns / 1e9)
    NDArray.NDArrayAddEpicsTS(builder, CreateepicsTimeStamp(builder, seconds, ns))
    builder.Finish(NDArray.NDArrayEnd(builder), file_identifier=b"NDAr")
    return bytes(builder.Output())


def _decode_ndar(buffer: bytes) -> arrays.AreaImage:
    got, root = ndar.deserialise_ndar(buffer), NDArray.NDArray.GetRootAsNDArray(buffer, 0)
    at = root.EpicsTS()
    timestamp_ns = (631_152_000 + at.SecPastEpoch()) * 1_000_000_000 + at.Nsec()
    return arrays.AreaImage(source_name="ADPluginKafka", unique_id=got.id, timestamp_ns=timestamp_ns, data=got.data)


def _histogram_library(module: Any, schema: str) -> Library:
    def encode(v: arrays.Histogram) -> bytes:
        axes = [{"length": a.length, "bin_boundaries": a.edges, "unit": a.unit, "label": a.label} for a in v.axes]
        histogram = {
            "source": v.source_name,
            "timestamp": v.timestamp_ns,
            "current_shape": v.data.shape,
            "dim_metadata": axes,
            "data": v.data,
            "last_metadata_timestamp": v.last_metadata_timestamp_ns,
            "info": v.info,
        }
        errors = {} if v.errors is None else {"errors": v.errors}
        return bytes(getattr(module, f"serialise_{schema}")(histogram | errors))

    def decode(buffer: bytes) -> arrays.Histogram:
        got = getattr(module, f"deserialise_{schema}")(buffer)
        axes = [(a["length"], a["bin_boundaries"], a["unit"], a["label"]) for a in got["dim_metadata"]]
        return arrays.Histogram(
            source_name=got["source"],
            timestamp_ns=got["timestamp"],
            axes=tuple(arrays.HistogramAxis(length=n, edges=edges, unit=unit, label=label) for n, edges, unit, label in axes),
            data=got["data"],
            errors=None if isinstance(got["errors"], list) else got["errors"],
            last_metadata_timestamp_ns=got["last_metadata_timestamp"],
            info=got["info"],
        )

    return Library(encode, decode)


LIBRARY: dict[str, Library] = {
    "6s4t": Library(_encode_6s4t, _decode_6s4t),
    "ADAr": Library(_encode_adar, _decode_adar),
    "NDAr": Library(_encode_ndar, _decode_ndar),
    "hs00": _histogram_library(hs00, "hs00"),
    "hs01": _histogram_library(hs01, "hs01"),
    "ad00": Library(_encode_ad00, _decode_ad00),
    "al00": Library(_encode_al00, _decode_al00),
    "answ": Library(_encode_answ, _decode_answ),
    "da00": Library(_encode_da00, _decode_da00),
    "ep00": Library(_encode_ep00, _decode_ep00),
    "ep01": Library(_encode_ep01, _decode_ep01),
    "ev42": Library(_encode_ev42, _decode_ev42),
    "ns10": Library(_encode_ns10, _decode_ns10),
    "ev44": Library(_encode_ev44, _decode_ev44),
    "f142": Library(_encode_f142, _decode_f142),
    "f144": Library(_encode_f144, _decode_f144),
    "fc00": Library(_encode_fc00, _decode_fc00),
    "pl72": Library(_encode_pl72, _decode_pl72),
    "rf5k": Library(_encode_rf5k, _decode_rf5k),
    "se00": Library(_encode_se00, _decode_se00),
    "senv": Library(_encode_senv, _decode_senv),
    "tdct": Library(_encode_tdct, _decode_tdct),
    "un00": Library(_encode_un00, _decode_un00),
    "wrdn": Library(_encode_wrdn, _decode_wrdn),
    "x5f2": Library(_encode_x5f2, _decode_x5f2),
}
